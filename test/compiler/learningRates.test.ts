/** `freeze` and `lr` of layers: what the optimizer does to each parameter. */
import { expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { checkText } from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { openPlanState } from "../../runtime/train/planState.ts";

const program = (first: string, last: string, optimizer: string): string => `
model Small {
  input 3@32x32
  conv 4@3x3 stride 2 ${first} -> relu -> pool avg 3
  fc 10 ${last}
}
train {
  data shapes
  batch 8
  optimizer ${optimizer}
}
`;

/** Parameters before and after some steps on random images. */
async function trained(text: string, steps: number): Promise<Record<string, readonly [Float32Array, Float32Array]>> {
  const { program: checked, diagnostics } = checkText(text, "rates.cnn");
  const [model] = checked?.models ?? [];
  if (!model || !checked?.recipe) throw new Error(JSON.stringify(diagnostics));
  const device = await openCpuDevice({ threads: 2 });
  const { plan } = compile(model, checked.recipe, { counts: { train: 64, test: 8 }, target: device.target });
  const session = await device.open(plan);
  try {
    const state = openPlanState(session, plan);
    state.set("control.seed", 3);
    await session.run("initialise");
    const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * 7919) % 251);
    state.write("train.images", bytes(64 * 3072));
    state.write(
      "train.labels",
      bytes(64).map((value) => value % 10),
    );
    state.write(
      "train.order",
      Uint32Array.from({ length: 64 }, (_, i) => i),
    );
    const names = ["conv1.weight", "conv1.bias", "fc1.weight", "fc1.bias"];
    const before = await Promise.all(names.map((name) => state.read(name)));
    await session.run("trainStep", steps);
    const after = await Promise.all(names.map((name) => state.read(name)));
    return Object.fromEntries(names.map((name, i) => [name, [before[i], after[i]] as const])) as Record<
      string,
      readonly [Float32Array, Float32Array]
    >;
  } finally {
    await session.close();
    await device.close();
  }
}

const moved = (
  [before, after]: readonly [Float32Array, Float32Array] = [new Float32Array(), new Float32Array()],
): Float32Array => after.map((value, i) => value - (before[i] ?? NaN));

const optimizers = ["sgd lr 0.1 momentum 0.9 decay 0.01", "adam lr 0.01 decay 0.01"];

test.each(optimizers)("a frozen layer keeps its bits, weight decay or not: %s", async (optimizer) => {
  const result = await trained(program("freeze on", "", optimizer), 3);
  for (const name of ["conv1.weight", "conv1.bias"]) expect(result[name]?.[1]).toEqual(result[name]?.[0]);
  for (const name of ["fc1.weight", "fc1.bias"]) expect(moved(result[name]).some((by) => by !== 0)).toBe(true);
});

test.each(optimizers)("lr multiplies a layer's steps: %s", async (optimizer) => {
  const plain = await trained(program("", "", optimizer), 1);
  const slow = await trained(program("", "lr 0.25", optimizer), 1);
  for (const name of ["fc1.weight", "fc1.bias"])
    moved(slow[name]).forEach((by, i) => expect(by).toBeCloseTo(0.25 * (moved(plain[name])[i] ?? NaN), 6));
  expect(slow["conv1.weight"]?.[1]).toEqual(plain["conv1.weight"]?.[1]);
});
