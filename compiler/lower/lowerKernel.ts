/**
 * Lowering: kernels and their schedules become a loop nest.
 *
 * In: a `Kernel`, a `Schedule`, the stored tensors; or several that run side by side. Out: a `LoopNest` and the tensors
 * behind its bindings. What holds: nothing here knows an operator; the schedule alone decides the shape of the loops,
 * and any legal schedule gives the same results but for rounding.
 */
import { InvariantError } from "../graph/graph.ts";
import { storageLength, storageStrides, type StoredTensor } from "../fusion/kernel.ts";
import { clamp, type Index, index, multiply, offset, renameBuffers, subtract, variable } from "../nest/integer.ts";
import {
  laneName,
  type LoopNest,
  type Scratch,
  type Statement,
  subgroupLaneName,
  workgroupName,
} from "../nest/loopNest.ts";
import { mapAccesses } from "../nest/mapAccesses.ts";
import { storedBuffers } from "../nest/verifyNest.ts";
import { cutAxes, tilePlaces, type TilePlace } from "./axes.ts";
import { type Bindings, createBindings, identifier } from "./bindings.ts";
import { createEmitter } from "./emitter.ts";
import { emitKernel } from "./loops.ts";
import type { Lowering, LoweringInput, Point, Stage } from "./lowering.ts";
import { loopLoads } from "./loopLoads.ts";
import { loopStores } from "./loopStores.ts";
import { createNames, type Names } from "./names.ts";
import { rollLoads } from "./rollLoads.ts";
import { createTermTable, type Place, type Resolver } from "./terms.ts";

export interface LoweredKernel {
  readonly nest: LoopNest;
  /** The stored tensor behind each binding. */
  readonly tensors: readonly number[];
}

/** What the kernels of one nest share. */
interface Shared {
  readonly names: Names;
  readonly bindings: Bindings;
  /** Scratch that holds the current chunk of a tensor; undefined where a caller gives it. */
  readonly chunks: Map<number, Scratch> | undefined;
}

interface Part {
  readonly body: Statement[];
  readonly workgroups: number;
  readonly scratch: readonly Scratch[];
}

export function lowerKernel(input: LoweringInput): LoweredKernel {
  return lowerAlone(input, share([input]));
}

/** A kernel of a chain as a nest of its own, which is given what lies in the chain's scratch. */
export function lowerMember(input: LoweringInput): LoweredKernel {
  return lowerAlone(input, share([input], true));
}

function lowerAlone(input: LoweringInput, shared: Shared): LoweredKernel {
  const { body, workgroups, scratch } = lowerPart(input, shared, workgroupName);
  return finish(shared, { ...headOf(input), lanes: input.schedule.lanes, workgroups, scratch, body });
}

/**
 * Kernels one after another in one nest, each cut along its first axis into as many parts as there are workgroups: a
 * workgroup does the same part of all. What only they read lies in scratch.
 */
export function lowerChained(inputs: Run, head: Head): LoweredKernel {
  const shared = share(inputs);
  const { body, workgroups, scratch } = lowerRun(inputs, shared, workgroupName);
  return finish(shared, { ...head, lanes: lanesOf(inputs, head), workgroups, scratch, body });
}

/** The same as calls of nests, `members`, which other chains call as well. */
export function callChained(inputs: Run, members: readonly LoweredKernel[], head: Head): LoweredKernel {
  const shared = share(inputs);
  const bufferOf = (id: number): string => {
    const tensor = inputs[0]?.tensors.get(id);
    return tensor?.storage.kind === "scratch"
      ? chunkOf(shared, tensor, tensor.storage.chunks)
      : shared.bindings.bind(id);
  };
  const workgroups = sameOf(
    members.map(({ nest }) => nest.workgroups),
    head,
  );
  const calls = members.map(({ nest, tensors }): Statement[] => [
    { kind: "call", nest, buffers: tensors.map(bufferOf) },
  ]);
  const body = inSequence(inputs, calls);
  return finish(shared, { ...head, lanes: lanesOf(inputs, head), workgroups, scratch: [], body });
}

/** Kernels one after another: lanes wait for one another before a kernel that touches what one since the last wait has stored. */
function inSequence(inputs: Run, bodies: readonly (readonly Statement[])[]): Statement[] {
  let touched = new Set<string>();
  let stored = new Set<string>();
  return bodies.flatMap((body, i): Statement[] => {
    const own = touchedBuffers(body);
    const ownStored = storedBuffers(body);
    const mustWait = meets(own, stored) || meets(touched, ownStored);
    touched = mustWait ? own : new Set([...touched, ...own]);
    stored = mustWait ? ownStored : new Set([...stored, ...ownStored]);
    const name: Statement = { kind: "comment", text: inputs[i]?.name ?? "" };
    return mustWait ? [{ kind: "barrier" }, name, ...body] : [name, ...body];
  });
}

const meets = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => [...a].some((name) => b.has(name));

/** The names of all buffers that the statements load from or store to. */
function touchedBuffers(body: readonly Statement[]): Set<string> {
  const names = new Set<string>();
  mapAccesses(body, (buffer, at) => {
    names.add(buffer);
    return { buffer, index: at };
  });
  return names;
}

/** The number of chunks, which all kernels of a chain are cut into. */
function sameOf([first = 1, ...others]: readonly number[], { name }: Pick<Head, "name">): number {
  if (others.some((other) => other !== first))
    throw new InvariantError(`${name}: kernels of a chain have different numbers of chunks`);
  return first;
}

type Run = readonly LoweringInput[];
type Head = Pick<LoopNest, "name" | "header">;

function lanesOf(inputs: Run, { name }: Head): number {
  const [lanes = 1, ...others] = inputs.map(({ schedule }) => schedule.lanes);
  if (others.some((other) => other !== lanes))
    throw new InvariantError(`${name}: kernels of different lanes cannot share a nest`);
  return lanes;
}

function lowerRun(inputs: Run, shared: Shared, workgroup: string): Part {
  const parts = inputs.map((input) => lowerPart(input, shared, workgroup));
  const workgroups = sameOf(
    parts.map((part) => part.workgroups),
    { name: inputs[0]?.name ?? "" },
  );
  const body = inSequence(
    inputs,
    parts.map((part) => part.body),
  );
  return { body, workgroups, scratch: parts.flatMap((part) => part.scratch) };
}

/**
 * Kernels, or chains of them, that need nothing of one another in one nest: the first workgroups run the first, the next
 * ones the second. All must have the same number of lanes.
 */
export function lowerTogether(runs: readonly Run[], head: Head): LoweredKernel {
  const inputs = runs.flat();
  const shared = share(inputs);
  const lanes = lanesOf(inputs, head);
  const places = runs.map(() => shared.names.fresh("place"));
  const parts = runs.map((run, i) => lowerRun(run, shared, places[i] ?? workgroupName));
  const workgroups = parts.reduce((sum, part) => sum + part.workgroups, 0);
  const workgroup = index(variable(workgroupName, workgroups));
  let start = 0;
  const body = parts.map((part, i): Statement => {
    const last = part.workgroups - 1;
    const place = variable(places[i] ?? workgroupName, part.workgroups);
    const value = clamp(subtract(workgroup, start), 0, last);
    const condition = { kind: "inRange", index: workgroup, minimum: start, maximum: start + last } as const;
    start += part.workgroups;
    return { kind: "if", condition, body: [{ kind: "letIndex", variable: place, value }, ...part.body] };
  });
  const scratch = parts.flatMap((part) => part.scratch);
  return finish(shared, { ...head, lanes, workgroups, scratch, body });
}

function headOf({ name, header }: LoweringInput): Head {
  return { name, header };
}

function share(inputs: readonly LoweringInput[], isMember = false): Shared {
  const names = createNames([workgroupName, laneName, subgroupLaneName]);
  const tensors = inputs[0]?.tensors ?? new Map();
  return {
    names,
    chunks: isMember ? undefined : new Map(),
    bindings: createBindings(
      inputs.map(({ kernel }) => kernel),
      tensors,
      names.fresh,
      isMember,
    ),
  };
}

function finish({ bindings, chunks }: Shared, nest: Omit<LoopNest, "bindings">): LoweredKernel {
  const bound = bindings.all();
  const scratch = [...(chunks?.values() ?? []), ...nest.scratch];
  return {
    nest: { ...nest, scratch, bindings: bound.map(({ binding }) => binding) },
    tensors: bound.map(({ tensor }) => tensor),
  };
}

function tileProduct(axes: readonly string[], places: ReadonlyMap<string, readonly TilePlace[]>): Point[] {
  let points: Point[] = [{ places: new Map(), number: 0 }];
  for (const axis of axes) {
    const along = places.get(axis) ?? [];
    points = points.flatMap((point) =>
      along.map((place) => ({ places: new Map(point.places).set(axis, place), number: 0 })),
    );
  }
  return points.map((point, number) => ({ ...point, number }));
}

/** Where the current chunk of a tensor lies. */
function chunkOf({ chunks, names, bindings }: Shared, tensor: StoredTensor, count: number): string {
  if (!chunks) return bindings.bind(tensor.id);
  const found = chunks.get(tensor.id);
  const made = found ?? { name: names.fresh(identifier(tensor.label)), length: storageLength(tensor) / count };
  chunks.set(tensor.id, made);
  return made.name;
}

function createResolver(
  { tensors }: LoweringInput,
  shared: Shared,
  stages: ReadonlyMap<string, Stage>,
  workgroup: string,
): Resolver {
  const { bind } = shared.bindings;
  const indexOf = (of: Index): Index => renameBuffers(of, (buffer) => bind(Number(buffer)));
  return {
    tensor: (id, coordinates): Place => {
      const tensor = tensors.get(id);
      if (!tensor) throw new InvariantError(`tensor ${id} is not stored`);
      if (tensor.storage.kind === "scratch") {
        const { chunks } = tensor.storage;
        const whole = indexOf(offset(coordinates, storageStrides(tensor)));
        const start = multiply(index(variable(workgroup, chunks)), storageLength(tensor) / chunks);
        return { buffer: chunkOf(shared, tensor, chunks), index: subtract(whole, start) };
      }
      return { buffer: bind(id), index: indexOf(offset(coordinates, storageStrides(tensor))) };
    },
    operand: (name, coordinates) => {
      const stage = stages.get(name);
      return stage && { buffer: stage.buffer, index: stage.place(coordinates), filled: stage.buffer };
    },
    index: indexOf,
  };
}

/** Lowers one kernel; its workgroups are counted by the variable `workgroup`. */
function lowerPart(input: LoweringInput, shared: Shared, workgroup: string): Part {
  const { kernel, schedule } = input;
  const axes = cutAxes(kernel, schedule);
  const stages = new Map<string, Stage>();
  const table = createTermTable(createResolver(input, shared, stages, workgroup));
  const emitter = createEmitter(table, [workgroup, laneName, subgroupLaneName], shared.names);
  const places = new Map(
    [...axes.tile].map(([axis, extent]) => [axis, tilePlaces(extent, axis === schedule.vector ? schedule.lanes : 1)]),
  );
  const lane = schedule.lanes > 1 ? index(variable(laneName, schedule.lanes)) : index(0);
  // A kernel whose work is not spread over lanes, in the nest of one whose work is.
  const isForOneLane = schedule.lanes > 1 && axes.threads.length === 0 && !schedule.vector;
  const lowering: Lowering = {
    ...input,
    axes,
    emitter,
    table,
    stages,
    scratch: [],
    workgroup: (workgroups) => index(variable(workgroup, workgroups)),
    lane,
    laneVariables: new Set([laneName]),
    domainPoints: tileProduct(axes.domain, places),
    reductionPoints: tileProduct(axes.reduction, places),
    where: undefined,
    isPartial: isForOneLane,
  };
  const workgroups = emitKernel(lowering);
  const emitted = emitter.finish();
  const { scratch } = lowering;
  const rolled = schedule.roll ? rollLoads(emitted, storedBuffers(emitted)) : emitted;
  const loaded = schedule.loadsInLoops ? loopLoads(rolled, shared.names, scratch) : rolled;
  const body = schedule.storesInLoops ? loopStores(loaded, shared.names, scratch) : loaded;
  if (!isForOneLane) return { body, workgroups, scratch };
  const first = { kind: "inRange", index: lane, minimum: 0, maximum: 0 } as const;
  return { body: [{ kind: "if", condition: first, body }], workgroups, scratch };
}
