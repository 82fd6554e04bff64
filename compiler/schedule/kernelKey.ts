/**
 * A kernel's key: a short text for what it computes, by which schedules are looked up.
 *
 * In: a kernel, its tensors, the chunks it is cut into, the kind of target. Out: a hash of its definition. What holds: the
 * key depends on shapes, layouts and the structure of what is computed alone, not on names, layers or the numbers of tensors,
 * so that equal kernels share it, in any network. Constants are left out (learning rates, counters of random draws): no
 * schedule depends on them.
 */
import { symbolicCoordinates } from "../fusion/inline.ts";
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { type Index, index, renameBuffers, variable } from "../nest/integer.ts";
import type { Target } from "../target.ts";
import type { Test, Value } from "../value.ts";

type Tensors = ReadonlyMap<number, StoredTensor>;

export function kernelKey(kernel: Kernel, tensors: Tensors, kind: Target["kind"], chunks?: number): string {
  return hash([kind, `chunks ${chunks ?? "free"}`, ...describe(kernel, tensors)].join("\n"));
}

/** The definition as lines of text: one for each distinct value, then the tensors in the order in which they appear. */
function describe(kernel: Kernel, tensors: Tensors): string[] {
  const { domain, extents, inPlace, accumulators, outputs } = kernel;
  const description = createDescription();
  const { numberOf, nameOf, found } = description;
  const coordinates = symbolicCoordinates(domain);
  const along = extents.map((extent, d) => index(variable(`r${d}`, extent)));
  const sums = accumulators.map(({ operator, body }) => `${operator} of ${numberOf(body(coordinates, along))}`);
  const results = accumulators.map((_, number): Value => ({ kind: "result", number }));
  const stores = outputs.map(({ tensor, value }) => `${nameOf(tensor)} = ${numberOf(value(coordinates, results))}`);
  const layouts = [...found].map(([id, name]) => {
    const { shape = [], pitch, gap, type } = tensors.get(id) ?? {};
    return `${name}: ${type} [${shape.join(", ")}] ${pitch ?? ""} ${gap ?? ""}`;
  });
  return [
    `${domain.join("x")} over ${extents.join("x")}`,
    `in place ${inPlace}`,
    ...description.lines,
    ...sums,
    ...stores,
    ...layouts,
  ];
}

interface Description {
  readonly lines: readonly string[];
  readonly numberOf: (value: Value) => number;
  /** A tensor's name: its place in the order of appearance. */
  readonly nameOf: (tensor: number) => string;
  readonly found: ReadonlyMap<number, string>;
}

function createDescription(): Description {
  const numbers = new Map<string, number>();
  const known = new Map<Value, number>();
  const found = new Map<number, string>();
  const nameOf = (tensor: number): string => {
    const name = found.get(tensor) ?? `t${found.size}`;
    found.set(tensor, name);
    return name;
  };
  const places = (list: readonly Index[]): string =>
    list.map((of) => renameBuffers(of, (buffer) => nameOf(Number(buffer))).key).join(", ");
  const testText = (test: Test): string => {
    if (test.kind === "inRange") return `${places([test.index])} in ${test.minimum}..${test.maximum}`;
    if (test.kind === "compare") return `${numberOf(test.left)} ${test.operator} ${numberOf(test.right)}`;
    return test.kind === "all" ? test.tests.map(testText).join(" and ") : test.kind;
  };
  const text = (value: Value): string => {
    switch (value.kind) {
      case "constant":
      case "random":
        return value.kind;
      case "index":
        return `index ${places([value.index])}`;
      case "access":
        return `${nameOf(value.tensor)}[${places(value.coordinates)}]`;
      case "unary":
        return `${value.operator} ${numberOf(value.operand)}`;
      case "binary":
        return `${value.operator} ${numberOf(value.left)} ${numberOf(value.right)}`;
      case "select":
        return `${testText(value.test)} ? ${numberOf(value.then)} : ${numberOf(value.otherwise)}`;
      case "operand":
        // Schedules stage operands by their names.
        return `${value.name}[${places(value.coordinates)}] is ${numberOf(value.read(value.coordinates))}`;
      case "reduce": {
        const along = value.extents.map((extent, d) => index(variable(`q${d}`, extent)));
        return `${value.operator} over ${value.extents.join("x")} of ${numberOf(value.body(along))}`;
      }
      case "result":
        return `result ${value.number}`;
    }
  };
  const numberOf = (value: Value): number => {
    const before = known.get(value);
    if (before !== undefined) return before;
    const line = text(value);
    const number = numbers.get(line) ?? numbers.size;
    numbers.set(line, number);
    known.set(value, number);
    return number;
  };
  return {
    get lines() {
      return [...numbers.keys()];
    },
    numberOf,
    nameOf,
    found,
  };
}

/** 128 bits in hexadecimal digits: four runs of FNV-1a from different starts. */
function hash(text: string): string {
  const parts = [0x811c9dc5, 0x01234567, 0x9e3779b9, 0x7f4a7c15];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    for (let part = 0; part < parts.length; part++)
      parts[part] = Math.imul((parts[part] ?? 0) ^ unit ^ (part << 8), 0x01000193);
  }
  return parts.map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
}
