/** Kernels of one class are analysed once: each still knows its own tensors, and the addresses are those of its layouts. */
import { expect, it } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { readsOf } from "../../compiler/fusion/group.ts";
import { type Kernel, storageStrides, type StoredTensor } from "../../compiler/fusion/kernel.ts";
import { offset } from "../../compiler/nest/integer.ts";
import { analyse } from "../../compiler/schedule/analysis.ts";
import { classKey, classOf } from "../../compiler/schedule/kernelClass.ts";
import { symbolicKernel } from "../../compiler/schedule/symbolic.ts";
import { checkText } from "../../language/index.ts";
import { targets } from "../support/targets.ts";

const text = `model M {
  input 3@32x32
  conv 8@3x3 pad same
  repeat 3 { conv 8@3x3 pad same bias off -> bn -> relu }
  add {
    branch { conv 8@1x1 -> leaky_relu 0.1 }
    branch { conv 8@1x1 -> leaky_relu 0.2 }
  }
  fc 10
}
train {
  data cifar10
  batch 8
  optimizer adam lr 0.01
}`;

interface Sample {
  readonly kernel: Kernel;
  readonly tensors: ReadonlyMap<number, StoredTensor>;
}

function samplesOf(target: keyof typeof targets, source = text): Sample[] {
  const { program, diagnostics } = checkText(source, "classes.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const options = { counts: { train: 100, test: 20 }, target: targets[target], programs: ["trainStep"] } as const;
  return compile(model, program.recipe, options).programs.flatMap(({ dispatches, tensors }) =>
    dispatches.flatMap(({ kernels }) => kernels.map(({ kernel }) => ({ kernel, tensors }))),
  );
}

/** What the definition reads, apart from tensors of indices. */
function tensorsRead(kernel: Kernel): Set<number> {
  const read = new Set<number>();
  const { bodies, outputs } = symbolicKernel(kernel);
  for (const value of [...bodies, ...outputs])
    readsOf(value, (tensor, _, asIndex) => {
      if (!asIndex) read.add(tensor);
    });
  return read;
}

it.each(["wasm", "a software GPU"] as const)("an analysis names the kernel's own tensors, for %s", (target) => {
  const samples = samplesOf(target);
  const classes = new Set(samples.map(({ kernel, tensors }) => classKey(kernel, tensors)));
  expect(classes.size).toBeLessThan(0.8 * samples.length);
  for (const { kernel, tensors } of samples) {
    const { accesses } = analyse(kernel, tensors);
    const loads = accesses.filter(({ kind }) => kind !== "store").map(({ tensor }) => tensor);
    const stores = accesses.filter(({ kind }) => kind === "store").map(({ tensor }) => tensor);
    expect(new Set(loads)).toEqual(tensorsRead(kernel));
    expect(stores).toEqual(kernel.outputs.map(({ tensor }) => tensor));
    for (const { tensor, coordinates, address, shape } of accesses) {
      const stored = tensors.get(tensor) ?? { shape: [] };
      expect(shape).toEqual(stored.shape);
      expect(address.key).toBe(offset(coordinates, storageStrides(stored)).key);
    }
  }
});

it("constants tell classes apart, compilations do not", () => {
  const numbersOf = (program: string): Set<number> =>
    new Set(samplesOf("wasm", program).map(({ kernel }) => classOf(kernel).number));
  const classes = numbersOf(text);
  expect(numbersOf(text)).toEqual(classes);
  const steeper = numbersOf(text.replace("leaky_relu 0.2", "leaky_relu 0.3"));
  expect([...steeper].filter((number) => !classes.has(number)).length).toBeGreaterThan(0);
  expect([...steeper].filter((number) => classes.has(number)).length).toBeGreaterThan(classes.size / 2);
});
