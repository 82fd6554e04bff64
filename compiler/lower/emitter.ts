/**
 * Emits terms as statements: each shared term becomes one `let`, placed in the outermost scope where it is defined.
 *
 * In: terms and the structure (loops) that the lowering opens around them. Out: statements of a loop nest. What holds:
 * all terms may be computed early, even loads under a test that fails (see "Speculation" in ARCHITECTURE.md), so
 * placing a `let` further out never changes a result.
 */
import { InvariantError } from "../graph/graph.ts";
import { type Index, index, type Variable, variable, variablesOf } from "../nest/integer.ts";
import type { BinaryOperator, Condition, Expression, Statement } from "../nest/loopNest.ts";
import { identityOf } from "../value.ts";
import type { Names } from "./names.ts";
import { resultVariable, type Term, type TermTable } from "./terms.ts";

interface Scope {
  readonly statements: Statement[];
  readonly variables: Set<string>;
  readonly bound: Map<number, Expression>;
}

export interface Emitter {
  /** Emits into the innermost scope. */
  readonly push: (statement: Statement) => void;
  /** A loop around what `body` emits; nothing is emitted for a count of one. */
  readonly loop: (name: string, count: number, body: (counter: Index) => void) => void;
  /** What `body` emits runs only under the condition, and so does all that depends on the variables of `turn`. */
  readonly when: (condition: Condition, body: () => void, turn?: Index) => void;
  /** A scope of its own for statements that read the kernel's results. */
  readonly results: (names: readonly string[], body: () => void) => void;
  /** Defines an integer in the innermost scope. */
  readonly integer: (name: string, value: Index) => Index;
  /** Defines a variable that has no value, for terms that are known from here on, in the innermost scope. */
  readonly mark: (name: string) => void;
  /** Prepares to emit these terms: counts how often each part is used. */
  readonly prepare: (terms: readonly Term[]) => void;
  readonly expression: (term: Term) => Expression;
  /** From here on, in the innermost scope, the term is this expression. */
  readonly define: (term: Term, expression: Expression) => void;
  /** A fresh name. */
  readonly name: (hint: string) => string;
  readonly finish: () => Statement[];
}

type Children = readonly Term[];

const binaryOfReduction = { add: "add", maximum: "maximum", minimum: "minimum" } as const;

/** `builtin` are the integers defined from the start. */
export function createEmitter(table: TermTable, builtin: readonly string[], names: Names): Emitter {
  const scopes: Scope[] = [{ statements: [], variables: new Set(builtin), bound: new Map() }];
  const uses = new Map<number, number>();
  const name = names.fresh;
  let resultNames: readonly string[] = [];

  function innermost(): Scope {
    const scope = scopes.at(-1);
    if (!scope) throw new InvariantError("no scope is open");
    return scope;
  }

  /** The outermost scope in which all variables of the term are defined. */
  function home(term: Term): number {
    let depth = 0;
    for (const variableName of term.variables) {
      let at = scopes.length - 1;
      while (at >= 0 && !scopes[at]?.variables.has(variableName)) at--;
      if (at < 0) throw new InvariantError(`${variableName} is used where it is not defined`);
      depth = Math.max(depth, at);
    }
    return depth;
  }

  function boundTo(term: Term): Expression | undefined {
    for (let at = scopes.length - 1; at >= 0; at--) {
      const found = scopes[at]?.bound.get(term.id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  function prepare(terms: readonly Term[]): void {
    uses.clear();
    const visit = (term: Term): void => {
      const count = uses.get(term.id) ?? 0;
      uses.set(term.id, count + 1);
      // The inside of a loop is emitted in a scope of its own, with its own counts.
      if (count === 0 && term.shape.kind !== "loop") term.children.forEach(visit);
    };
    terms.forEach(visit);
  }

  const isTrivial = ({ shape }: Term): boolean =>
    shape.kind === "constant" ||
    shape.kind === "result" ||
    (shape.kind === "index" && shape.index.terms.every(({ atom }) => atom.kind === "variable"));
  function expression(term: Term): Expression {
    const known = boundTo(term);
    if (known !== undefined) return known;
    if (isTrivial(term)) return build(term);
    const depth = home(term);
    const isShared = (uses.get(term.id) ?? 1) > 1 || depth < scopes.length - 1 || term.shape.kind === "loop";
    if (!isShared) return build(term);
    return { kind: "reference", name: bind(term, depth) };
  }

  /** Emits the term as a `let` of the scope at `depth`. */
  function bind(term: Term, depth: number): string {
    const inner = scopes.splice(depth + 1);
    const value = build(term);
    const scope = innermost();
    const chosen = name(hintOf(term));
    scope.statements.push({ kind: "let", name: chosen, value });
    scope.bound.set(term.id, { kind: "reference", name: chosen });
    scopes.push(...inner);
    return chosen;
  }

  function hintOf(term: Term): string {
    return term.shape.kind === "load" ? term.shape.buffer : "t";
  }

  function child(children: Children, at: number): Term {
    const found = children[at];
    if (!found) throw new InvariantError("a term lacks an operand");
    return found;
  }

  function build(term: Term): Expression {
    const { shape, children } = term;
    switch (shape.kind) {
      case "constant":
        return { kind: "constant", value: shape.value };
      case "index":
        return { kind: "index", index: shape.index };
      case "load":
        return { kind: "load", buffer: shape.buffer, index: shape.index };
      case "unary":
        return { kind: "unary", operator: shape.operator, operand: expression(child(children, 0)) };
      case "binary":
        return binary(shape.operator, child(children, 0), child(children, 1));
      case "select": {
        const then = expression(child(children, 1));
        const otherwise = expression(child(children, 2));
        return { kind: "select", condition: condition(child(children, 0)), then, otherwise };
      }
      case "random":
        return { kind: "random", counters: shape.counters };
      case "result":
        return { kind: "reference", name: resultNames[shape.number] ?? "" };
      case "loop":
        return reductionLoop(shape);
      case "inRange":
      case "compare":
      case "all":
        throw new InvariantError("a test is no value");
    }
  }

  /** Sums of products become multiply-adds. */
  function binary(operator: BinaryOperator, left: Term, right: Term): Expression {
    const isFree = (term: Term): boolean =>
      term.shape.kind === "binary" &&
      term.shape.operator === "multiply" &&
      (uses.get(term.id) ?? 1) <= 1 &&
      boundTo(term) === undefined &&
      home(term) === scopes.length - 1;
    if (operator === "add") {
      const [product, other] = isFree(left) ? [left, right] : [right, left];
      if (isFree(product)) {
        const a = expression(child(product.children, 0));
        const b = expression(child(product.children, 1));
        return { kind: "multiplyAdd", a, b, c: expression(other) };
      }
    }
    return { kind: "binary", operator, left: expression(left), right: expression(right) };
  }

  function condition(term: Term): Condition {
    const { shape, children } = term;
    switch (shape.kind) {
      case "inRange":
        return { kind: "inRange", index: shape.index, minimum: shape.minimum, maximum: shape.maximum };
      case "compare":
        return {
          kind: "compare",
          operator: shape.operator,
          left: expression(child(children, 0)),
          right: expression(child(children, 1)),
        };
      case "all":
        return { kind: "and", conditions: children.map(condition) };
      default:
        throw new InvariantError("a value is no test");
    }
  }

  function open(variables: readonly string[], body: () => void): Statement[] {
    const saved = new Map(uses);
    scopes.push({ statements: [], variables: new Set(variables), bound: new Map() });
    body();
    const scope = scopes.pop();
    uses.clear();
    for (const [id, count] of saved) uses.set(id, count);
    return scope?.statements ?? [];
  }

  function loop(hint: string, count: number, body: (counter: Index) => void): void {
    if (count === 1) {
      body(index(0));
      return;
    }
    const counter: Variable = variable(name(hint), count);
    const statements = open([counter.name], () => body(index(counter)));
    innermost().statements.push({ kind: "loop", variable: counter, count, body: statements });
  }

  function reductionLoop({ operator, value }: Extract<Term["shape"], { kind: "loop" }>): Expression {
    const total = name("total");
    innermost().statements.push({
      kind: "variable",
      name: total,
      initial: { kind: "constant", value: identityOf(operator) },
    });
    const nest = (at: Index[]): void => {
      const extent = value.extents[at.length];
      if (extent !== undefined) {
        loop("j", extent, (counter) => nest([...at, counter]));
        return;
      }
      const body = table.term(value.body(at));
      prepare([body]);
      const next = expression(body);
      const left: Expression = { kind: "reference", name: total };
      const combined: Expression = { kind: "binary", operator: binaryOfReduction[operator], left, right: next };
      innermost().statements.push({ kind: "assign", name: total, value: combined });
    };
    nest([]);
    return { kind: "reference", name: total };
  }

  return {
    push: (statement) => innermost().statements.push(statement),
    loop,
    when: (test, body, turn = index(0)) => {
      const statements = open([...variablesOf(turn)], body);
      innermost().statements.push({ kind: "if", condition: test, body: statements });
    },
    results: (chosen, body) => {
      const before = resultNames;
      resultNames = chosen;
      // Results are mutable variables: what is computed from them stays in this scope and is known only in it.
      const statements = open([resultVariable], body);
      innermost().statements.push(...statements);
      resultNames = before;
    },
    integer: (hint, value) => {
      if (value.terms.length === 0) return value;
      const only = value.terms[0];
      if (value.terms.length === 1 && value.constant === 0 && only?.factor === 1 && only.atom.kind === "variable")
        return value;
      const chosen: Variable = { kind: "variable", name: name(hint), minimum: value.minimum, maximum: value.maximum };
      innermost().statements.push({ kind: "letIndex", variable: chosen, value });
      innermost().variables.add(chosen.name);
      return index(chosen);
    },
    mark: (marker) => innermost().variables.add(marker),
    prepare,
    expression,
    define: (term, known) => innermost().bound.set(term.id, known),
    name,
    finish: () => innermost().statements,
  };
}
