/**
 * Values by number: equal values, made at different times, have one.
 *
 * In: values. Out: numbers, and the text of every value numbered so far. What holds: two numberings with the same texts have
 * numbered equal values in the same order.
 */
import { type Index, index, renameBuffers, variable } from "../nest/integer.ts";
import type { Test, Value } from "../value.ts";

export interface Numbering {
  readonly numberOf: (value: Value) => number;
  /** In the order of the numbers. */
  readonly texts: () => readonly string[];
}

/**
 * `nameOf` tells tensors apart, by their numbers if not given. Where constants are left out, values that differ only in them,
 * and random draws of any counter, have one number.
 */
export function createNumbering(
  nameOf: (tensor: number) => string | number = (tensor) => tensor,
  constants: "kept" | "left out" = "kept",
): Numbering {
  const numbers = new Map<string, number>();
  const known = new Map<Value, number>();
  const keyOfIndex = (of: Index): string => renameBuffers(of, (buffer) => String(nameOf(Number(buffer)))).key;
  const keyOfIndices = (all: readonly Index[]): string => all.map(keyOfIndex).join(", ");
  const keyOfTest = (test: Test): string => {
    switch (test.kind) {
      case "always":
      case "never":
        return test.kind;
      case "inRange":
        return `${keyOfIndex(test.index)} in ${test.minimum}..${test.maximum}`;
      case "compare":
        return `${numberOf(test.left)} ${test.operator} ${numberOf(test.right)}`;
      case "all":
        return test.tests.map(keyOfTest).join(" and ");
    }
  };
  const keyOf = (value: Value): string => {
    switch (value.kind) {
      case "constant":
        if (constants === "left out") return "constant";
        return Object.is(value.value, -0) ? "-0" : `${value.value}`;
      case "index":
        return `index ${keyOfIndex(value.index)}`;
      case "access":
        return `tensor ${nameOf(value.tensor)}[${keyOfIndices(value.coordinates)}]`;
      case "unary":
        return `${value.operator} ${numberOf(value.operand)}`;
      case "binary":
        return `${numberOf(value.left)} ${value.operator} ${numberOf(value.right)}`;
      case "select":
        return `${keyOfTest(value.test)} ? ${numberOf(value.then)} : ${numberOf(value.otherwise)}`;
      case "random":
        return constants === "left out" ? "random" : `random ${keyOfIndices(value.counters)}`;
      case "operand":
        return `${value.name} ${keyOfIndices(value.coordinates)} of ${numberOf(value.read(value.coordinates))}`;
      case "reduce": {
        const along = value.extents.map((extent, d) => index(variable(`along${d}`, extent)));
        return `${value.operator} over ${value.extents.join("x")} of ${numberOf(value.body(along))}`;
      }
      case "result":
        return `result ${value.number}`;
    }
  };
  function numberOf(value: Value): number {
    const found = known.get(value);
    if (found !== undefined) return found;
    const key = keyOf(value);
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    known.set(value, number);
    return number;
  }
  return { numberOf, texts: () => [...numbers.keys()] };
}
