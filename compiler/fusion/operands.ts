/**
 * The operands of a kernel: one name, one meaning.
 *
 * In: the bodies of the reductions and the values of the outputs that share a kernel, whose operators name their operands alike
 * (`input`, `weight`). Out: the same; where operands of one name differ in what they read, the later one's name gets a number.
 * What holds: operands of one name may be staged together.
 */
import { index, variable } from "../nest/integer.ts";
import type { Value } from "../value.ts";
import { symbolicCoordinates } from "./inline.ts";
import type { Kernel } from "./kernel.ts";
import { createNumbering } from "./numbering.ts";

export type Operand = Value & { readonly kind: "operand" };

/** The operands of a body that are not part of another operand, replaced. */
export function mapOperands(root: Value, replace: (operand: Operand) => Operand): Value {
  // Values share their parts: each is replaced once.
  const known = new Map<Value, Value>();
  const recur = (value: Value): Value => {
    const found = known.get(value);
    if (found) return found;
    const made = replaced(value);
    known.set(value, made);
    return made;
  };
  const replaced = (value: Value): Value => {
    switch (value.kind) {
      case "operand":
        return replace(value);
      case "unary":
        return { ...value, operand: recur(value.operand) };
      case "binary":
        return { ...value, left: recur(value.left), right: recur(value.right) };
      case "select":
        return { ...value, then: recur(value.then), otherwise: recur(value.otherwise) };
      default:
        return value;
    }
  };
  return recur(root);
}

type Parts = Pick<Kernel, "accumulators" | "outputs">;

/** Of a kernel over a domain and reduction axes of these extents. */
export function distinguishOperands(
  { accumulators, outputs }: Parts,
  domain: readonly number[],
  extents: readonly number[],
): Parts {
  if (accumulators.length + outputs.length < 2) return { accumulators, outputs };
  const newNames = createNames();
  const coordinates = symbolicCoordinates(domain);
  const along = extents.map((extent, d) => index(variable(`r${d}`, extent)));
  const results = accumulators.map((_, number): Value => ({ kind: "result", number }));
  return {
    accumulators: accumulators.map((accumulator) => {
      const rename = renaming(newNames(accumulator.body(coordinates, along)));
      return rename ? { ...accumulator, body: (at, places) => rename(accumulator.body(at, places)) } : accumulator;
    }),
    outputs: outputs.map((output) => {
      const rename = renaming(newNames(output.value(coordinates, results)));
      return rename ? { ...output, value: (at, found) => rename(output.value(at, found)) } : output;
    }),
  };
}

/** Tells which operands of a value have a name that stood for something else in an earlier one, and their new names. */
function createNames(): (value: Value) => Map<string, string> {
  const { numberOf } = createNumbering();
  /** What a name has stood for: the numbers of all values that it reads. */
  const meanings = new Map<string, string[]>();
  return (value) => {
    const read = new Map<string, Set<number>>();
    mapOperands(value, (operand) => {
      read.set(operand.name, (read.get(operand.name) ?? new Set()).add(numberOf(operand)));
      return operand;
    });
    const renamed = new Map<string, string>();
    for (const [name, numbers] of read) {
      const meaning = [...numbers].toSorted((a, b) => a - b).join();
      const known = meanings.get(name) ?? [];
      if (!known.includes(meaning)) meanings.set(name, [...known, meaning]);
      const place = (meanings.get(name) ?? []).indexOf(meaning);
      if (place > 0) renamed.set(name, `${name}${place + 1}`);
    }
    return renamed;
  };
}

function renaming(names: ReadonlyMap<string, string>): ((value: Value) => Value) | undefined {
  if (names.size === 0) return undefined;
  return (value) => mapOperands(value, (operand) => ({ ...operand, name: names.get(operand.name) ?? operand.name }));
}
