/**
 * Integer index arithmetic in one normal form: a constant plus a sum of atoms, each with an integer factor.
 *
 * In: variables with known ranges, and the operations below. Out: `Index` values that are already simplified; two
 * equal indices have equal `key`s. What holds: every `Index` knows its inclusive range, division is floor division,
 * and a remainder is never negative. Everything downstream (guards, addresses, lanes) reads this form and nothing else.
 */

/** A named integer with an inclusive range: a loop counter, a lane, a workgroup number or an integer `let`. */
export interface Variable {
  readonly kind: "variable";
  readonly name: string;
  readonly minimum: number;
  readonly maximum: number;
}

/** What is not linear: quotient, remainder, clamp, or an integer read from memory. */
export type Atom =
  | Variable
  | { readonly kind: "quotient"; readonly of: Index; readonly divisor: number }
  | { readonly kind: "remainder"; readonly of: Index; readonly divisor: number }
  | { readonly kind: "clamp"; readonly of: Index; readonly minimum: number; readonly maximum: number }
  | { readonly kind: "element"; readonly buffer: string; readonly at: Index; readonly maximum: number };

export interface Term {
  readonly atom: Atom;
  readonly key: string;
  readonly factor: number;
}

/** `constant + Σ factor · atom`, with its inclusive range. */
export interface Index {
  readonly constant: number;
  readonly terms: readonly Term[];
  readonly minimum: number;
  readonly maximum: number;
  readonly key: string;
}

export type IndexLike = Index | number;

export function variable(name: string, extent: number): Variable {
  return { kind: "variable", name, minimum: 0, maximum: Math.max(0, extent - 1) };
}

/** Equal for indices whose distance is a known number. */
export const termsKey = ({ terms }: Index): string => terms.map(({ factor, key }) => `${factor}*${key}`).join("+");

export function atomKey(atom: Atom): string {
  switch (atom.kind) {
    case "variable":
      return atom.name;
    case "quotient":
      return `(${atom.of.key})/${atom.divisor}`;
    case "remainder":
      return `(${atom.of.key})%${atom.divisor}`;
    case "clamp":
      return `clamp(${atom.of.key},${atom.minimum},${atom.maximum})`;
    case "element":
      return `${atom.buffer}[${atom.at.key}]`;
  }
}

function atomRange(atom: Atom): [number, number] {
  switch (atom.kind) {
    case "variable":
      return [atom.minimum, atom.maximum];
    case "quotient":
      return [Math.floor(atom.of.minimum / atom.divisor), Math.floor(atom.of.maximum / atom.divisor)];
    case "remainder":
      return [0, atom.divisor - 1];
    case "clamp":
      return [
        Math.min(Math.max(atom.of.minimum, atom.minimum), atom.maximum),
        Math.min(Math.max(atom.of.maximum, atom.minimum), atom.maximum),
      ];
    case "element":
      return [0, atom.maximum];
  }
}

/** Its key is long and seldom asked for: made when it is. */
class NormalForm implements Index {
  private text: string | undefined;

  constructor(
    readonly constant: number,
    readonly terms: readonly Term[],
    readonly minimum: number,
    readonly maximum: number,
  ) {}

  get key(): string {
    if (this.text === undefined) {
      let text = "";
      for (const { factor, key } of this.terms) text += `${factor}*${key}+`;
      this.text = text + this.constant;
    }
    return this.text;
  }
}

function make(constant: number, terms: readonly Term[]): Index {
  let minimum = constant;
  let maximum = constant;
  for (const { atom, factor } of terms) {
    const isVariable = atom.kind === "variable";
    const range = isVariable ? undefined : atomRange(atom);
    const low = isVariable ? atom.minimum : (range?.[0] ?? 0);
    const high = isVariable ? atom.maximum : (range?.[1] ?? 0);
    minimum += factor > 0 ? factor * low : factor * high;
    maximum += factor > 0 ? factor * high : factor * low;
  }
  return new NormalForm(constant, terms, minimum, maximum);
}

const smallConstants = new Map<number, Index>();

export function constant(value: number): Index {
  let found = smallConstants.get(value);
  if (!found) {
    found = make(value, []);
    if (value >= -256 && value <= 4096) smallConstants.set(value, found);
  }
  return found;
}

export function index(value: IndexLike | Variable): Index {
  if (typeof value === "number") return constant(value);
  return "kind" in value ? fromAtom(value) : value;
}

function fromAtom(atom: Atom, factor = 1): Index {
  const [low, high] = atomRange(atom);
  if (low === high) return constant(low * factor);
  return make(0, [{ atom, key: atomKey(atom), factor }]);
}

export function isConstant(value: Index): boolean {
  return value.terms.length === 0;
}

/** Merges two lists of terms, both in the order of their keys. */
function mergeTerms(a: readonly Term[], b: readonly Term[]): readonly Term[] {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const merged: Term[] = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const left = a[i];
    const right = b[j];
    if (left === undefined && right === undefined) return merged;
    if (right === undefined || (left !== undefined && left.key < right.key)) {
      if (left !== undefined) merged.push(left);
      i++;
    } else if (left === undefined || right.key < left.key) {
      merged.push(right);
      j++;
    } else {
      const factor = left.factor + right.factor;
      if (factor !== 0) merged.push({ ...left, factor });
      i++;
      j++;
    }
  }
}

/** Adds indices; equal atoms merge, and `c·(e div c) + (e mod c)` becomes `e` again. */
export function add(...values: IndexLike[]): Index {
  let constantPart = 0;
  let terms: readonly Term[] = [];
  for (const value of values) {
    if (typeof value === "number") constantPart += value;
    else {
      constantPart += value.constant;
      terms = mergeTerms(terms, value.terms);
    }
  }
  return terms.some((term) => term.atom.kind === "remainder")
    ? recombine(constantPart, terms)
    : make(constantPart, terms);
}

function recombine(constantPart: number, terms: readonly Term[]): Index {
  for (const term of terms) {
    if (term.atom.kind !== "remainder") continue;
    const { of, divisor } = term.atom;
    const quotient = divide(of, divisor);
    const only = quotient.terms[0];
    if (quotient.terms.length !== 1 || quotient.constant !== 0 || !only || only.factor !== 1) continue;
    const partner = terms.find((other) => other.key === only.key && other.factor === term.factor * divisor);
    if (!partner) continue;
    const rest = terms.filter((other) => other !== term && other !== partner);
    return add(make(constantPart, rest), multiply(of, term.factor));
  }
  return make(constantPart, terms);
}

export function subtract(a: IndexLike, b: IndexLike): Index {
  return add(a, multiply(b, -1));
}

export function multiply(value: IndexLike, factor: number): Index {
  if (typeof value === "number") return constant(value * factor);
  if (factor === 0) return constant(0);
  if (factor === 1) return value;
  return make(
    value.constant * factor,
    value.terms.map((term) => ({ ...term, factor: term.factor * factor })),
  );
}

function modulo(a: number, b: number): number {
  return ((a % b) + b) % b;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return Math.abs(a);
}

/** Splits `value` into `divisor·whole + rest`, `rest` as small as the factors show. */
function splitMultiples(value: Index, divisor: number): { whole: Index; rest: Index } {
  const whole: Term[] = [];
  const rest: Term[] = [];
  for (const term of value.terms) {
    if (term.factor % divisor === 0) whole.push({ ...term, factor: term.factor / divisor });
    else rest.push(term);
  }
  const constantRest = modulo(value.constant, divisor);
  return {
    whole: make((value.constant - constantRest) / divisor, whole),
    rest: make(constantRest, rest),
  };
}

/** `rest = common·upper + lower` with `0 <= lower < common` and `common` dividing `divisor`, where there is such a split. */
function splitCommon(rest: Index, divisor: number): { common: number; upper: Index; lower: Index } | undefined {
  const commons = new Set(rest.terms.map((term) => greatestCommonDivisor(term.factor, divisor)));
  for (const common of [...commons].sort((a, b) => b - a)) {
    if (common <= 1) continue;
    const { whole, rest: lower } = splitMultiples(rest, common);
    if (whole.terms.length > 0 && lower.minimum >= 0 && lower.maximum < common) return { common, upper: whole, lower };
  }
  return undefined;
}

/** Floor division by a positive constant. */
export function divide(value: IndexLike, divisor: number): Index {
  if (typeof value === "number") return constant(Math.floor(value / divisor));
  if (divisor === 1) return value;
  const { whole, rest } = splitMultiples(value, divisor);
  const low = Math.floor(rest.minimum / divisor);
  if (low === Math.floor(rest.maximum / divisor)) return add(whole, low);
  const common = splitCommon(rest, divisor);
  if (common) return add(whole, divide(common.upper, divisor / common.common));
  const only = rest.terms[0];
  if (only && rest.terms.length === 1 && rest.constant === 0 && only.factor === 1 && only.atom.kind === "quotient")
    return add(whole, divide(only.atom.of, only.atom.divisor * divisor));
  return add(whole, fromAtom({ kind: "quotient", of: rest, divisor }));
}

/** The non-negative remainder of division by a positive constant. */
export function remainder(value: IndexLike, divisor: number): Index {
  if (typeof value === "number") return constant(modulo(value, divisor));
  if (divisor === 1) return constant(0);
  const { rest } = splitMultiples(value, divisor);
  const low = Math.floor(rest.minimum / divisor);
  if (low === Math.floor(rest.maximum / divisor)) return add(rest, -low * divisor);
  const common = splitCommon(rest, divisor);
  if (common) return add(multiply(remainder(common.upper, divisor / common.common), common.common), common.lower);
  const only = rest.terms[0];
  if (only && rest.terms.length === 1 && rest.constant === 0 && only.factor === 1 && only.atom.kind === "remainder")
    if (only.atom.divisor % divisor === 0) return remainder(only.atom.of, divisor);
  return fromAtom({ kind: "remainder", of: rest, divisor });
}

export function clamp(value: IndexLike, minimum: number, maximum: number): Index {
  const of = index(value);
  if (of.minimum >= minimum && of.maximum <= maximum) return of;
  if (of.maximum <= minimum) return constant(minimum);
  if (of.minimum >= maximum) return constant(maximum);
  return fromAtom({ kind: "clamp", of, minimum, maximum });
}

/** An integer read from a `u32` or `u8` buffer while the kernel runs, known to lie in `0..maximum`. */
export function element(buffer: string, at: Index, maximum: number): Index {
  return fromAtom({ kind: "element", buffer, at, maximum });
}

/** The row-major offset of `coordinates` under `strides`. */
export function offset(coordinates: readonly Index[], strides: readonly number[]): Index {
  return add(...coordinates.map((coordinate, dimension) => multiply(coordinate, strides[dimension] ?? 0)));
}

/** Row-major strides of a shape: `[C, H, W]` gives `[H·W, W, 1]`. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let d = shape.length - 2; d >= 0; d--) strides[d] = (strides[d + 1] ?? 1) * (shape[d + 1] ?? 1);
  return strides;
}

/** The factor of one variable where the index is linear in it; undefined where it also occurs inside another atom. */
export function factorOf(value: Index, name: string): number | undefined {
  let factor = 0;
  for (const term of value.terms) {
    if (term.atom.kind === "variable" ? term.atom.name === name : mentions(term.atom, name)) {
      if (term.atom.kind !== "variable") return undefined;
      factor = term.factor;
    }
  }
  return factor;
}

function mentions(atom: Atom, name: string): boolean {
  if (atom.kind === "variable") return atom.name === name;
  return variablesOf(atom.kind === "element" ? atom.at : atom.of).has(name);
}

/** Names of all variables that the value depends on. */
export function variablesOf(value: Index, into = new Set<string>()): Set<string> {
  for (const { atom } of value.terms) {
    if (atom.kind === "variable") into.add(atom.name);
    else variablesOf(atom.kind === "element" ? atom.at : atom.of, into);
  }
  return into;
}

/** The sum of those terms for which a test of their variables holds, without the constant. */
export function partWhere(value: Index, test: (variables: ReadonlySet<string>) => boolean): Index {
  return make(
    0,
    value.terms.filter((term) => test(variablesOf(make(0, [term])))),
  );
}

/** Replaces variables by indices and simplifies again. */
export function substitute(value: Index, replace: (name: string) => Index | undefined): Index {
  return add(value.constant, ...value.terms.map((term) => multiply(substituteAtom(term.atom, replace), term.factor)));
}

function substituteAtom(atom: Atom, replace: (name: string) => Index | undefined): Index {
  switch (atom.kind) {
    case "variable":
      return replace(atom.name) ?? fromAtom(atom);
    case "quotient":
      return divide(substitute(atom.of, replace), atom.divisor);
    case "remainder":
      return remainder(substitute(atom.of, replace), atom.divisor);
    case "clamp":
      return clamp(substitute(atom.of, replace), atom.minimum, atom.maximum);
    case "element":
      return element(atom.buffer, substitute(atom.at, replace), atom.maximum);
  }
}

/** The value under an assignment of the variables; `read` gives integers from memory. */
export function evaluate(
  value: Index,
  assignment: (name: string) => number,
  read: (buffer: string, at: number) => number,
): number {
  let sum = value.constant;
  for (const { atom, factor } of value.terms) {
    if (atom.kind === "variable") sum += factor * assignment(atom.name);
    else if (atom.kind === "element") sum += factor * read(atom.buffer, evaluate(atom.at, assignment, read));
    else {
      const of = evaluate(atom.of, assignment, read);
      if (atom.kind === "quotient") sum += factor * Math.floor(of / atom.divisor);
      else if (atom.kind === "remainder") sum += factor * modulo(of, atom.divisor);
      else sum += factor * Math.min(Math.max(of, atom.minimum), atom.maximum);
    }
  }
  return sum;
}

/** Renames the buffers that integers are read from. */
export function renameBuffers(value: Index, rename: (buffer: string) => string): Index {
  if (!readsMemory(value)) return value;
  const atom = (of: Atom): Index => {
    switch (of.kind) {
      case "variable":
        return fromAtom(of);
      case "element":
        return element(rename(of.buffer), renameBuffers(of.at, rename), of.maximum);
      case "quotient":
        return divide(renameBuffers(of.of, rename), of.divisor);
      case "remainder":
        return remainder(renameBuffers(of.of, rename), of.divisor);
      case "clamp":
        return clamp(renameBuffers(of.of, rename), of.minimum, of.maximum);
    }
  };
  return add(value.constant, ...value.terms.map((term) => multiply(atom(term.atom), term.factor)));
}

function readsMemory(value: Index): boolean {
  return value.terms.some(({ atom }) => atom.kind === "element" || (atom.kind !== "variable" && readsMemory(atom.of)));
}
