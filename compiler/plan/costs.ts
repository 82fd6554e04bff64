/**
 * What a kernel has to do, whatever its schedule: for profiles, rooflines and shares of a device's peak.
 *
 * In: kernels as fusion made them, and the tensors that their dispatch binds. Out: floating-point operations of the
 * definitions and distinct bytes in memory. What holds: nothing here depends on how axes are cut; what a schedule computes
 * or reads twice counts once.
 */
import { type Accumulator, type Kernel, resolveStorage, storageLength, type StoredTensor } from "../fusion/kernel.ts";
import { mapOperands, type Operand } from "../fusion/operands.ts";
import { size } from "../graph/graph.ts";

import { createTermTable, type Resolver, resultVariable, type Term } from "../lower/terms.ts";
import { evaluate, type Index, index, offset, rowMajorStrides, variable, variablesOf } from "../nest/integer.ts";
import { analyse } from "../schedule/analysis.ts";
import { axisName } from "../schedule/schedule.ts";
import { box, type Test, type Value } from "../value.ts";

export interface KernelCost {
  /**
   * Floating-point operations: a multiply-add counts two, any other arithmetic operation or function one; choices, integers
   * and random bits none. Products with padding count (as in every table of multiply-adds), but an input's gradient takes
   * no more than the layer itself: zeros around and between the elements of a gradient do not count.
   */
  readonly operations: number;
  /** Bytes of distinct elements, as far as addresses tell: an element that is read twice counts once. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

type Tensors = ReadonlyMap<number, StoredTensor>;

/** Of the kernels of one dispatch; `bound` are the tensors that it touches in memory. */
export function costOf(kernels: readonly Kernel[], tensors: Tensors, bound: ReadonlySet<number>): KernelCost {
  const operations = kernels.reduce((sum, kernel) => sum + operationsOf(kernel), 0);
  return { operations, ...bytesOf(kernels, tensors, bound) };
}

const symbolic = (extents: readonly number[], name: (dimension: number) => string): Index[] =>
  extents.map((extent, d) => index(variable(name(d), extent)));

function operationsOf(kernel: Kernel): number {
  const coordinates = symbolic(kernel.domain, axisName.domain);
  const along = symbolic(kernel.extents, axisName.reduction);
  const extents = new Map([
    ...kernel.domain.map((extent, d) => [axisName.domain(d), extent] as const),
    ...kernel.extents.map((extent, d) => [axisName.reduction(d), extent] as const),
    [resultVariable, size(kernel.domain)] as const,
  ]);
  const counter = createCounter(extents);
  // Each step adds to its accumulator.
  const steps = size(kernel.domain) * size(kernel.extents);
  const ofBody = ({ body }: Accumulator): number => {
    const value = body(coordinates, along);
    return Math.round(shareOfSteps(value) * (steps + counter.count(value))) + counter.countOperands(value);
  };
  const results = kernel.accumulators.map((_, number): Value => ({ kind: "result", number }));
  const bodies = kernel.accumulators.reduce((sum, accumulator) => sum + ofBody(accumulator), 0);
  return kernel.outputs.reduce((sum, { value }) => sum + counter.count(value(coordinates, results)), bodies);
}

interface Counter {
  /** Without what its operands are computed from. */
  readonly count: (value: Value) => number;
  readonly countOperands: (value: Value) => number;
}

/** Counts the operations of values, each distinct one once for every combination of what it depends on. */
function createCounter(extents: ReadonlyMap<string, number>): Counter {
  const table = createTermTable(plainResolver);
  const counted = new Set<Term>();
  const seen = new Set<string>();
  const steps = createSteps();
  const visit = (term: Term, inside: number): number => {
    if (counted.has(term)) return 0;
    counted.add(term);
    const { shape, children } = term;
    // The body of a reduction that is kept as a loop runs for each of its elements, and each is then added.
    const repeated = shape.kind === "loop" ? inside * size(shape.value.extents) : inside;
    const own = isOperation(term) ? repeated * evaluations(term, extents, steps) : 0;
    return children.reduce((sum, child) => sum + visit(child, repeated), own);
  };
  /** An operand is computed once for each of its coordinates, however many steps use it. */
  const ofOperand = ({ name, coordinates, read }: Operand): number => {
    const key = `${name} ${coordinates.map((coordinate) => coordinate.key).join()}`;
    if (seen.has(key)) return 0;
    seen.add(key);
    const at = coordinates.map(({ minimum, maximum }, d) =>
      index({ kind: "variable", name: `q${d}`, minimum, maximum }),
    );
    return createCounter(new Map(at.map((coordinate, d) => [`q${d}`, rangeOf(coordinate)]))).count(read(at));
  };
  return {
    count: (value) => visit(table.term(value), 1),
    countOperands(value) {
      let sum = 0;
      mapOperands(value, (operand) => {
        sum += ofOperand(operand);
        return operand;
      });
      return sum;
    },
  };
}

/** Tensors and operands as buffers of their own: terms are equal where they read the same. */
const plainResolver: Resolver = {
  tensor: (id, coordinates) => ({ buffer: `tensor ${id}`, index: flat(coordinates) }),
  operand: (name, coordinates) => ({ buffer: `operand ${name}`, index: flat(coordinates) }),
  index: (of) => of,
};

const rangeOf = ({ minimum, maximum }: Index): number => maximum - minimum + 1;

function flat(coordinates: readonly Index[]): Index {
  return offset(coordinates, rowMajorStrides(coordinates.map(rangeOf)));
}

const operationKinds = new Set<Term["shape"]["kind"]>(["unary", "binary", "compare", "loop"]);

function isOperation({ shape }: Term): boolean {
  return operationKinds.has(shape.kind);
}

/** How often a term is computed: once for each combination of the values that it takes from its variables. */
function evaluations(term: Term, extents: ReadonlyMap<string, number>, steps: (of: Term) => Steps): number {
  // A result depends on the whole domain, of which its other variables are a part.
  if (term.variables.has(resultVariable)) return extents.get(resultVariable) ?? 1;
  const known = steps(term);
  return [...term.variables].reduce(
    (product, name) => product * Math.ceil((extents.get(name) ?? 1) / (known.get(name) ?? 1)),
    1,
  );
}

/** Places along a variable that are the same to whoever reads it: four where only its quotient by four is read. */
type Steps = ReadonlyMap<string, number>;

/** Gives the steps of a term: the shortest of its indices' and its parts'. */
function createSteps(): (of: Term) => Steps {
  const known = new Map<Term, Steps>();
  const stepsOf = (term: Term): Steps => {
    const found = known.get(term);
    if (found) return found;
    const steps = new Map<string, number>();
    const note = (name: string, step: number): void =>
      void steps.set(name, Math.min(step, steps.get(name) ?? Infinity));
    if ("index" in term.shape) noteSteps(term.shape.index, 1, note);
    for (const child of term.children) stepsOf(child).forEach((step, name) => note(name, step));
    known.set(term, steps);
    return steps;
  };
  return stepsOf;
}

/** Tells each variable's step in an index that is divided by `divisor`; a step may be shorter than it need be. */
function noteSteps(of: Index, divisor: number, note: (name: string, step: number) => void): void {
  for (const { atom, factor } of of.terms) {
    const here = Math.max(1, Math.floor(divisor / Math.abs(factor)));
    if (atom.kind === "variable") note(atom.name, here);
    else if (atom.kind === "quotient") noteSteps(atom.of, here * atom.divisor, note);
    else if (atom.kind === "clamp") noteSteps(atom.of, here, note);
    else noteSteps(atom.kind === "element" ? atom.at : atom.of, 1, note);
  }
}

/** Of a body's steps, those in which no factor is zero by the test before it, sparse operands included. */
function shareOfSteps(body: Value): number {
  const tests: RangeTest[] = [];
  const collect = (test: Test): void => {
    if (test.kind === "all") test.tests.forEach(collect);
    else if (test.kind === "inRange") tests.push(test);
  };
  const visit = (value: Value): void => {
    if (value.kind === "binary" && value.operator === "multiply") {
      visit(value.left);
      visit(value.right);
    } else if (value.kind === "select" && isZero(value.otherwise)) {
      collect(value.test);
      visit(value.then);
    } else if (value.kind === "operand" && value.sparse) visit(value.read(value.coordinates));
  };
  visit(body);
  // Tests that have no axis in common are independent of one another.
  return groupsByVariables(tests).reduce((share, together) => share * shareOfPlaces(together), 1);
}

const isZero = (value: Value): boolean => value.kind === "constant" && value.value === 0;

/** Tests of one group share variables, directly or through others. */
function groupsByVariables(tests: readonly RangeTest[]): RangeTest[][] {
  let groups: { readonly names: Set<string>; readonly tests: RangeTest[] }[] = [];
  for (const test of tests) {
    const names = variablesOf(test.index);
    const meeting = groups.filter((group) => [...names].some((name) => group.names.has(name)));
    const merged = {
      names: new Set([...names, ...meeting.flatMap((group) => [...group.names])]),
      tests: [...meeting.flatMap((group) => group.tests), test],
    };
    groups = [...groups.filter((group) => !meeting.includes(group)), merged];
  }
  return groups.map((group) => group.tests);
}

type RangeTest = Test & { readonly kind: "inRange" };

/** Of all values of the variables, the share for which the tests hold. */
function shareOfPlaces(tests: readonly RangeTest[]): number {
  const extents = new Map<string, number>();
  for (const { index: of } of tests) collectVariables(of, extents);
  const names = [...extents.keys()];
  let holding = 0;
  let places = 0;
  for (const at of box([...extents.values()])) {
    const value = (name: string): number => at[names.indexOf(name)]?.constant ?? 0;
    places++;
    if (tests.every((test) => holdsAt(test, value))) holding++;
  }
  return holding / places;
}

function holdsAt({ index: of, minimum, maximum }: RangeTest, value: (name: string) => number): boolean {
  const found = evaluate(of, value, () => 0);
  return found >= minimum && found <= maximum;
}

/** Distinct elements of one tensor that a dispatch touches. */
interface Touched {
  readonly elementBytes: number;
  readonly length: number;
  elements: number;
}

function bytesOf(
  kernels: readonly Kernel[],
  tensors: Tensors,
  bound: ReadonlySet<number>,
): Pick<KernelCost, "bytesRead" | "bytesWritten"> {
  const places = new Set([...bound].map((id) => placeOf(id, tensors)));
  const touched = { read: new Map<string, Touched>(), written: new Map<string, Touched>() };
  const touch = (into: Map<string, Touched>, id: number, elements: number): void => {
    const tensor = tensors.get(id);
    const place = placeOf(id, tensors);
    if (!tensor || !places.has(place)) return;
    const found = into.get(place);
    const length = Math.max(size(tensor.shape), found?.length ?? 0);
    into.set(place, { elementBytes: elementBytes[tensor.type], length, elements: elements + (found?.elements ?? 0) });
  };
  for (const kernel of kernels)
    for (const { tensor, address, kind } of analyse(kernel, tensors).accesses) {
      const into = kind === "store" ? touched.written : touched.read;
      touch(into, tensor, distinctPlaces(address, tensors.get(tensor)));
    }
  const sum = (of: ReadonlyMap<string, Touched>): number =>
    [...of.values()].reduce((bytes, one) => bytes + one.elementBytes * Math.min(one.length, one.elements), 0);
  return { bytesRead: sum(touched.read), bytesWritten: sum(touched.written) };
}

const elementBytes = { f32: 4, u32: 4, u8: 1 } as const;

/** Views of the same memory are one place. */
function placeOf(id: number, tensors: Tensors): string {
  const { tensor, offset: start } = resolveStorage(tensors, id);
  return `${tensor.storage.kind === "state" ? tensor.storage.state : tensor.id}+${start}`;
}

/** How many places an address takes: no more than its variables have combinations, than its range, than the tensor. */
function distinctPlaces(address: Index, tensor: StoredTensor | undefined): number {
  const extents = new Map<string, number>();
  collectVariables(address, extents);
  const combinations = [...extents.values()].reduce((product, extent) => product * extent, 1);
  const length = tensor ? storageLength(tensor) : 0;
  const range = Math.min(address.maximum, length - 1) - Math.max(address.minimum, 0) + 1;
  return Math.max(0, Math.min(combinations, range));
}

/** Variables by name with their extents, those of what an integer from memory depends on included. */
function collectVariables(of: Index, into: Map<string, number>): void {
  for (const { atom } of of.terms)
    if (atom.kind === "variable") into.set(atom.name, atom.maximum - atom.minimum + 1);
    else collectVariables(atom.kind === "element" ? atom.at : atom.of, into);
}
