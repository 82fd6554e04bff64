/**
 * What a schedule needs to know of a kernel: its loads and stores as functions of the axes.
 *
 * In: a kernel and its tensors. Out: for each distinct access, its address as an `Index` over variables named like the
 * axes, and through which operand it goes.
 */
import { containsOperand } from "../fusion/inline.ts";
import { type Kernel, storageStrides, type StoredTensor } from "../fusion/kernel.ts";
import { type Atom, factorOf, type Index, index, offset, variable, variablesOf } from "../nest/integer.ts";
import { box, type Test, type Value, zero } from "../value.ts";
import { classKey, classOf } from "./kernelClass.ts";
import { axisName } from "./schedule.ts";
import { symbolicKernel } from "./symbolic.ts";

export interface Access {
  readonly tensor: number;
  readonly coordinates: readonly Index[];
  readonly address: Index;
  /** Extents of the tensor. */
  readonly shape: readonly number[];
  /** The operand it is part of, if any. */
  readonly operand: string | undefined;
  /** Whether a test can keep it from being read. */
  readonly guarded: boolean;
  readonly kind: "body" | "output" | "store";
}

export interface Axis {
  readonly name: string;
  readonly extent: number;
  readonly isDomain: boolean;
}

export interface Analysis {
  readonly axes: readonly Axis[];
  readonly accesses: readonly Access[];
  /** Coordinates of each operand over the axes, at each place where it is read; of those that hold no result of the kernel. */
  readonly operands: ReadonlyMap<string, readonly (readonly Index[])[]>;
  /** Short axes that tests look at alone: what is computed differs from one place to the next. */
  readonly enumerated: ReadonlySet<string>;
  /** Arithmetic operations of one step of all bodies, and of one output element; comparisons of values among the latter. */
  readonly bodyOperations: number;
  readonly outputOperations: number;
  readonly outputComparisons: number;
}

/** Whether its reductions are sums of products, which share what they load. */
export function isContraction(kernel: Kernel): boolean {
  return symbolicKernel(kernel).bodies.some(containsOperand);
}

/** Domain axes of whose places each is computed in its own way. */
export function enumeratedAxes({ axes, enumerated }: Analysis): Axis[] {
  return axes.filter(({ name, extent, isDomain }) => isDomain && extent > 1 && enumerated.has(name));
}

/** How many such places there are. */
export function placesOf(analysis: Analysis): number {
  return enumeratedAxes(analysis).reduce((places, { extent }) => places * extent, 1);
}

export function extentOf(analysis: Analysis, name: string): number {
  return analysis.axes.find((axis) => axis.name === name)?.extent ?? 1;
}

/** How an address moves along an axis: a factor, or undefined where it is not linear in it. */
export function strideAlong(access: Access, axis: string): number | undefined {
  return factorOf(access.address, axis);
}

export function dependsOn(access: Access, axis: string): boolean {
  return variablesOf(access.address).has(axis);
}

/** An axis so short may be unrolled whole. */
const shortAxis = 3;

type Tensors = ReadonlyMap<number, StoredTensor>;

const analyses = new WeakMap<Kernel, { readonly tensors: Tensors; readonly of: Analysis }>();

/** Whether tensors lie alike, as far as addresses go. */
function sameLayout(a: StoredTensor | undefined, b: StoredTensor | undefined): boolean {
  return a === b || (a?.pitch === b?.pitch && a?.gap === b?.gap && a?.shape === b?.shape);
}

export function analyse(kernel: Kernel, tensors: Tensors): Analysis {
  const known = analyses.get(kernel);
  const isKnown = known?.of.accesses.every(({ tensor }) => sameLayout(known.tensors.get(tensor), tensors.get(tensor)));
  if (known && isKnown) return known.of;
  const of = analyseOfClass(kernel, tensors);
  analyses.set(kernel, { tensors, of });
  return of;
}

/** Analyses by class of kernel, with its tensors in the order of the class. */
const ofClasses = new Map<string, { readonly of: Analysis; readonly tensors: readonly number[] }>();
const mostClasses = 1000;

/** That of an equal kernel, with other tensors. */
function analyseOfClass(kernel: Kernel, tensors: Tensors): Analysis {
  const key = classKey(kernel, tensors);
  const own = classOf(kernel).tensors;
  const known = ofClasses.get(key);
  if (known) {
    const accesses = known.of.accesses.map((access): Access => {
      return { ...access, tensor: own[known.tensors.indexOf(access.tensor)] ?? access.tensor };
    });
    return { ...known.of, accesses };
  }
  const of = makeAnalysis(kernel, tensors);
  if (ofClasses.size >= mostClasses) ofClasses.clear();
  ofClasses.set(key, { of, tensors: own });
  return of;
}

function makeAnalysis(kernel: Kernel, tensors: ReadonlyMap<number, StoredTensor>): Analysis {
  const axes: Axis[] = [
    ...kernel.domain.map((extent, d) => ({ name: axisName.domain(d), extent, isDomain: true })),
    ...kernel.extents.map((extent, d) => ({ name: axisName.reduction(d), extent, isDomain: false })),
  ];
  const { coordinates, bodies, outputs } = symbolicKernel(kernel);
  const accesses = new Map<string, Access>();
  const operands = new Map<string, (readonly Index[])[]>();
  const enumerated = new Set<string>();
  let operations = 0;
  let comparisons = 0;
  const ofResults = new Set<string>();

  const shapeOf = (tensor: number): readonly number[] => tensors.get(tensor)?.shape ?? [];
  const addressOf = (tensor: number, at: readonly Index[]): Index =>
    offset(at, storageStrides(tensors.get(tensor) ?? { shape: [] }));

  /** The axes whose places a test singles out, if it does. */
  function singledOut({ index: of, minimum, maximum }: Test & { kind: "inRange" }): readonly Axis[] {
    const names = variablesOf(of);
    const tested = axes.filter(({ name }) => names.has(name));
    const isOne = minimum === maximum && of.terms.length === 1 && tested.some(({ name }) => factorOf(of, name));
    const areShort = tested.every(({ extent }) => extent <= shortAxis) && tested.length === names.size;
    return isOne || areShort ? tested : [];
  }

  /** Whether it may fail where the code is for one place. */
  const mayFail = (test: Test): boolean =>
    kernel.accumulators.length > 0 || test.kind !== "inRange" || singledOut(test).length === 0;

  function collect(root: Value, kind: Access["kind"]): number {
    [operations, comparisons] = [0, 0];
    const seen = new Set<Value>();
    const visitTest = (test: Test, operand: string | undefined): void => {
      if (test.kind === "compare") {
        comparisons++;
        visit(test.left, operand, false);
        visit(test.right, operand, false);
      } else if (test.kind === "all") test.tests.forEach((inner) => visitTest(inner, operand));
      else if (test.kind === "inRange") for (const { name } of singledOut(test)) enumerated.add(name);
    };
    const visit = (value: Value, operand: string | undefined, guarded: boolean): void => {
      if (seen.has(value)) return;
      seen.add(value);
      operations++;
      switch (value.kind) {
        case "access": {
          const address = addressOf(value.tensor, value.coordinates);
          const { tensor, coordinates: at } = value;
          const access = { tensor, coordinates: at, address, shape: shapeOf(tensor), operand, guarded, kind };
          accesses.set(`${kind} ${value.tensor} ${address.key}`, access);
          return;
        }
        case "operand":
          operands.set(value.name, [...(operands.get(value.name) ?? []), value.coordinates]);
          return visit(value.read(value.coordinates), value.name, guarded);
        case "unary":
          return visit(value.operand, operand, guarded);
        case "binary":
          visit(value.left, operand, guarded);
          return visit(value.right, operand, guarded);
        case "result":
          if (operand !== undefined) ofResults.add(operand);
          return;
        case "select":
          visitTest(value.test, operand);
          visit(value.then, operand, guarded || mayFail(value.test));
          return visit(value.otherwise, operand, guarded);
        case "reduce": {
          const count = value.extents.reduce((a, b) => a * b, 1);
          if (count <= 64) for (const at of box(value.extents)) visit(value.body(at), operand, guarded);
          else visit(value.body(value.extents.map((extent, d) => index(variable(`q${d}`, extent)))), operand, guarded);
          return;
        }
        default:
          return;
      }
    };
    visit(root, undefined, false);
    return operations;
  }

  const bodyOperations = bodies.map((body) => collect(body, "body")).reduce((a, b) => a + b, 0);
  let [outputOperations, outputComparisons] = [0, 0];
  for (const [i, { tensor }] of kernel.outputs.entries()) {
    outputOperations += collect(outputs[i] ?? zero, "output");
    outputComparisons += comparisons;
    const address = addressOf(tensor, coordinates);
    accesses.set(`store ${tensor}`, {
      tensor,
      coordinates,
      address,
      shape: shapeOf(tensor),
      operand: undefined,
      guarded: false,
      kind: "store",
    });
  }
  for (const operand of ofResults) operands.delete(operand);
  return {
    axes,
    accesses: [...accesses.values()],
    operands,
    enumerated,
    bodyOperations,
    outputOperations,
    outputComparisons,
  };
}

/**
 * The divisor by which an axis is divided in some address (2 under a stride-2 pooling window), else 1. Where the same
 * address has the remainder too, neighbours share nothing.
 */
export function windowStep(analysis: Analysis, axis: string): number {
  let step = 1;
  const visit = (of: Index): void => {
    for (const { atom } of of.terms) {
      if (atom.kind === "variable" || atom.kind === "element") continue;
      if (atom.kind !== "clamp" && factorOf(atom.of, axis) && !of.terms.some((term) => completes(term.atom, atom)))
        step = Math.max(step, atom.divisor);
      visit(atom.of);
    }
  };
  for (const { address } of analysis.accesses) visit(address);
  return step;
}

/** Whether one atom is the quotient and the other the remainder of one division. */
function completes(a: Atom, b: Atom): boolean {
  if (a.kind === "quotient" && b.kind === "remainder") return a.of.key === b.of.key && a.divisor === b.divisor;
  return a.kind === "remainder" && b.kind === "quotient" && completes(b, a);
}
