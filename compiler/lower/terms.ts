/**
 * Terms: values made unique. Equal values become one term, so that a kernel computes each of them once.
 *
 * In: values, with tensors and staged operands resolved to memory by `resolve`. Out: a DAG of terms with the names of
 * the variables they depend on. Reductions inside a value (small windows) are opened here, or kept as loops if large.
 */
import { type Index, index, variable, variablesOf } from "../nest/integer.ts";
import { type BinaryOperator, type Comparison, type UnaryOperator } from "../nest/loopNest.ts";
import { InvariantError } from "../graph/graph.ts";
import { binary, box, constant, identityOf, type ReductionOperator, type Test, type Value } from "../value.ts";

export type Shape =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "index"; readonly index: Index }
  | { readonly kind: "load"; readonly buffer: string; readonly index: Index }
  | { readonly kind: "unary"; readonly operator: UnaryOperator }
  | { readonly kind: "binary"; readonly operator: BinaryOperator }
  | { readonly kind: "select" }
  | { readonly kind: "random"; readonly counters: readonly [Index, Index, Index] }
  | { readonly kind: "result"; readonly number: number }
  | { readonly kind: "loop"; readonly operator: ReductionOperator; readonly value: Value & { kind: "reduce" } }
  | { readonly kind: "inRange"; readonly index: Index; readonly minimum: number; readonly maximum: number }
  | { readonly kind: "compare"; readonly operator: Comparison }
  | { readonly kind: "all" };

export interface Term {
  readonly id: number;
  readonly shape: Shape;
  readonly children: readonly Term[];
  /** Variables that the term depends on; `result` terms depend on `resultVariable`. */
  readonly variables: ReadonlySet<string>;
}

export const resultVariable = "result";

/** Where an element lies: a buffer's name and the place in it. */
export interface Place {
  readonly buffer: string;
  readonly index: Index;
  /** A variable that is defined where the buffer is filled: what is loaded from it is known only there. */
  readonly filled?: string;
}

export interface Resolver {
  readonly tensor: (id: number, coordinates: readonly Index[]) => Place;
  /** Undefined where the operand is not staged. */
  readonly operand: (name: string, coordinates: readonly Index[]) => Place | undefined;
  /** Renames the buffers inside an index (tensors to bindings). */
  readonly index: (of: Index) => Index;
}

/** Reductions with at most so many elements are opened in place. */
export const largestOpenReduction = 64;

export interface TermTable {
  readonly term: (value: Value) => Term;
}

export function createTermTable(resolve: Resolver): TermTable {
  const terms = new Map<string, Term>();
  const known = new WeakMap<Value, Term>();
  let depth = 0;

  function make(
    shape: Shape,
    key: string,
    children: readonly Term[],
    indices: readonly Index[],
    filled?: string,
  ): Term {
    const full = children.length > 0 ? `${key}(${children.map((child) => child.id).join(",")})` : key;
    const found = terms.get(full);
    if (found) return found;
    const variables = new Set<string>();
    for (const child of children) for (const name of child.variables) variables.add(name);
    for (const of of indices) variablesOf(of, variables);
    if (shape.kind === "result") variables.add(resultVariable);
    if (filled !== undefined) variables.add(filled);
    const made = { id: terms.size, shape, children, variables };
    terms.set(full, made);
    return made;
  }

  function load({ buffer, index: at, filled }: Place): Term {
    return make({ kind: "load", buffer, index: at }, `${buffer}[${at.key}]`, [], [at], filled);
  }

  function test(of: Test): Term {
    switch (of.kind) {
      case "always":
      case "never":
        throw new InvariantError("a constant test was not folded");
      case "inRange": {
        const { minimum, maximum } = of;
        const at = resolve.index(of.index);
        return make({ kind: "inRange", index: at, minimum, maximum }, `in ${at.key} ${minimum} ${maximum}`, [], [at]);
      }
      case "compare":
        return make({ kind: "compare", operator: of.operator }, of.operator, [term(of.left), term(of.right)], []);
      case "all":
        return make({ kind: "all" }, "all", of.tests.map(test), []);
    }
  }

  function opened(value: Value & { kind: "reduce" }): Term {
    const count = value.extents.reduce((product, extent) => product * extent, 1);
    if (count <= largestOpenReduction) {
      const operator: BinaryOperator = value.operator;
      const all = [...box(value.extents)].map((at) => value.body(at));
      const [first = constant(identityOf(value.operator)), ...rest] = all;
      return term(rest.reduce((total, next) => binary(operator, total, next), first));
    }
    // The body's dependence on outer variables and its identity are read off an instance with fixed variables.
    const inside = value.extents.map((extent, d) => variable(`along${depth}_${d}`, extent));
    depth++;
    const sample = term(value.body(inside.map(index)));
    depth--;
    const shape = { kind: "loop" as const, operator: value.operator, value };
    const made = make(shape, `${value.operator}[${value.extents.join(",")}]`, [sample], []);
    const variables = new Set(made.variables);
    for (const { name } of inside) variables.delete(name);
    return { ...made, variables };
  }

  function build(value: Value): Term {
    switch (value.kind) {
      case "constant":
        return make(
          { kind: "constant", value: value.value },
          `#${Object.is(value.value, -0) ? "-0" : value.value}`,
          [],
          [],
        );
      case "index": {
        const at = resolve.index(value.index);
        return make({ kind: "index", index: at }, `i${at.key}`, [], [at]);
      }
      case "access":
        return load(resolve.tensor(value.tensor, value.coordinates));
      case "operand": {
        const place = resolve.operand(value.name, value.coordinates);
        return place ? load(place) : term(value.read(value.coordinates));
      }
      case "unary":
        return make({ kind: "unary", operator: value.operator }, value.operator, [term(value.operand)], []);
      case "binary": {
        const { operator, left, right } = value;
        return make({ kind: "binary", operator }, operator, [term(left), term(right)], []);
      }
      case "select": {
        const children = [test(value.test), term(value.then), term(value.otherwise)];
        return make({ kind: "select" }, "select", children, []);
      }
      case "random": {
        const [a, b, c] = value.counters;
        const counters = [resolve.index(a), resolve.index(b), resolve.index(c)] as const;
        return make({ kind: "random", counters }, `random ${counters.map((of) => of.key).join()}`, [], counters);
      }
      case "reduce":
        return opened(value);
      case "result":
        return make({ kind: "result", number: value.number }, `result${value.number}`, [], []);
    }
  }

  function term(value: Value): Term {
    const found = known.get(value);
    if (found) return found;
    const made = build(value);
    known.set(value, made);
    return made;
  }

  return { term };
}
