/** Keys by which tuned schedules are found: the same for equal kernels wherever they are, others for everything that schedules see. */
import { describe, expect, test } from "vitest";
import { kernelKey } from "../../compiler/schedule/kernelKey.ts";
import type { Target } from "../../compiler/target.ts";
import { targets } from "../support/targets.ts";
import { subjectsOf } from "../support/tuningSubjects.ts";

const plainBody = "conv 8@3x3 pad same -> relu\nconv 8@3x3 -> bn -> relu\ndropout 0.3\nfc 10";

interface Text {
  readonly head?: string;
  readonly body?: string;
  readonly batch?: number;
  readonly recipe?: string;
}

function textOf({ head = "", body = plainBody, batch = 4, recipe = "optimizer adam lr 0.01" }: Text): string {
  return `${head}model M {\ninput 3@32x32\n${body}\n}\ntrain {\ndata shapes\nbatch ${batch}\n${recipe}\n}`;
}

/** Keys of a step's kernels, and the role of each: `conv2: weight gradient`. */
function keysOf(text: Text, target: Target = targets.wasm): Map<string, string> {
  return new Map(
    subjectsOf(textOf(text), target).map(({ key, kernel: { origins } }) => {
      const [first] = origins;
      return [key, `${first?.layer}: ${first?.role}`];
    }),
  );
}

const sorted = (keys: ReadonlyMap<string, string>): string[] => [...keys.keys()].sort();

const chosen = ["wasm", "a software GPU", "a GPU"] as const;

describe.each(chosen)("on %s", (name) => {
  const target = targets[name];
  const plain = keysOf({}, target);

  test("names, lines and constants change no key", () => {
    const body = plainBody.replace("dropout 0.3", "dropout 0.5").replace("bn", "bn eps 0.01 momentum 0.2");
    const other = { head: "# A comment\n\n", body, recipe: "optimizer adam lr 0.5 beta1 0.8\nseed 9" };
    expect(plain.size).toBeGreaterThan(20);
    expect(sorted(keysOf(other, target))).toEqual(sorted(plain));
  });

  test("blocks and repetition change no key; equal layers share theirs", () => {
    const head = "block unit {\nconv 8@3x3 pad same bias off -> bn -> relu\n}\n";
    const layers = "conv 8@3x3 pad same bias off -> bn -> relu\n";
    const rest = "pool avg global\nfc 10";
    const written = keysOf({ body: `${layers}${layers}${layers}${rest}` }, target);
    expect(sorted(keysOf({ head, body: `repeat 3 { unit }\n${rest}` }, target))).toEqual(sorted(written));
    const subjects = subjectsOf(textOf({ body: `${layers}${layers}${layers}${rest}` }), target);
    const twice = subjects.filter(({ dispatches }) => dispatches.length > 1);
    expect(twice.map((subject) => subject.kernel.origins[0]?.layer)).toContain("conv2");
    expect(twice.map((subject) => subject.kernel.origins[0]?.layer)).not.toContain("fc1");
  });

  test("a kernel keeps its key in another network", () => {
    const other = keysOf({ body: plainBody.replace("fc 10", "fc 20 -> relu\nfc 10") }, target);
    const shared = [...plain].filter(([key]) => other.has(key)).map(([, role]) => role);
    expect(shared).toEqual(expect.arrayContaining(["conv1: forward", "conv2: forward"]));
    expect(shared).not.toContain("fc1: forward");
  });

  test.each<[string, Text, string]>([
    ["the batch", { batch: 8 }, "conv1: forward"],
    ["the number of channels", { body: plainBody.replace("conv 8@3x3 pad", "conv 12@3x3 pad") }, "conv1: forward"],
    ["the window", { body: plainBody.replace("conv 8@3x3 pad", "conv 8@5x5 pad") }, "conv1: forward"],
    ["padding", { body: plainBody.replace("pad same", "pad 2") }, "conv1: forward"],
    ["a stride", { body: plainBody.replace("pad same", "pad 1 stride 2") }, "conv1: forward"],
    ["the activation", { body: plainBody.replaceAll("relu", "tanh") }, "conv1: forward"],
  ])("%s is part of it", (_, text, role) => {
    const [before, after] = [plain, keysOf(text, target)];
    const ofRole = (keys: ReadonlyMap<string, string>): string[] =>
      [...keys].flatMap(([key, of]) => (of === role ? key : []));
    expect(ofRole(before)).toHaveLength(1);
    expect(ofRole(after)).toHaveLength(1);
    expect(ofRole(after)).not.toEqual(ofRole(before));
  });
});

describe("a key depends on", () => {
  const [subject] = subjectsOf(textOf({}), targets.wasm).filter(({ kernel }) => kernel.accumulators.length > 0);
  if (!subject) throw new Error("no kernel reduces");
  const { kernel, tensors } = subject;
  const chunks = 4;
  const key = kernelKey(kernel, tensors, "wasm", chunks);
  const withLayout = (change: object): string =>
    kernelKey(kernel, new Map([...tensors].map(([id, tensor]) => [id, { ...tensor, ...change }])), "wasm", chunks);

  test("nothing that comes from the compilation it is in", () => {
    expect(key).toMatch(/^[0-9a-f]{32}$/);
    const renamed = { ...kernel, origins: [{ layer: "other", line: 99, role: "forward" }] as const };
    expect(kernelKey(renamed, tensors, "wasm", chunks)).toBe(key);
    expect(withLayout({ label: "other" })).toBe(key);
  });

  test("the kind of device, the chunks, padded rows and planes, types, and overwriting", () => {
    const others = [
      kernelKey(kernel, tensors, "wgsl", chunks),
      kernelKey(kernel, tensors, "wasm", 2),
      kernelKey(kernel, tensors, "wasm"),
      withLayout({ pitch: 64 }),
      withLayout({ gap: 16 }),
      withLayout({ type: "u8" }),
      kernelKey({ ...kernel, inPlace: !kernel.inPlace }, tensors, "wasm", chunks),
      kernelKey({ ...kernel, domain: [...kernel.domain, 1] }, tensors, "wasm", chunks),
    ];
    expect(new Set([key, ...others]).size).toBe(others.length + 1);
  });
});
