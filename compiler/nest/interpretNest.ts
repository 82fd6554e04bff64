/**
 * A slow, exact interpreter of loop nests: their meaning, and the checker of whatever makes them.
 *
 * In: a nest and its buffers. Out: the buffers, changed in place. Workgroups run one after another; within one, all
 * lanes take each statement together, and every operation rounds to f32. It throws an `InvariantError`, with the
 * statement and the place, on a store outside its buffer, an integer outside its promised range, a read of scratch that nobody
 * wrote, and where lanes or workgroups race: one reads or overwrites what another wrote with no barrier between.
 * A load outside its buffer gives NaN (nestMemory.ts says why), and only loads whose values are used count (usedLoads.ts).
 * What a store's `where` masks is not evaluated, nor the side of a `select` that is not chosen.
 */
import { applyBinary } from "./arithmetic.ts";
import type { Index, Variable } from "./integer.ts";
import {
  compileCondition,
  compileExpression,
  compileIndex,
  type Evaluate,
  fail,
  type Lane,
  laneId,
  type Machine,
  memory,
  slot,
  sourceLane,
} from "./interpretValues.ts";
import type { Expression, LoopNest, Statement } from "./loopNest.ts";
import { laneName, subgroupLaneName, workgroupName } from "./loopNest.ts";
import { countLoad, forgetScratch, memoriesOf, type Memory, type NestBuffer, storeElement } from "./nestMemory.ts";
import { collectLoads, collectLoadsOfTest, countLoads, type Collect, type Loads, type LoadTools } from "./usedLoads.ts";
import { shareMemories } from "./shareMemories.ts";
import { verifyNest } from "./verifyNest.ts";

type Step = (active: readonly Lane[]) => void;

/**
 * Runs all workgroups of `nest`.
 *
 * `buffers` holds an array for each binding, of its type (`f32` Float32Array, `u32` Uint32Array, `u8` Uint8Array) and at
 * least its length. `subgroupSize` is needed by nests that use `subgroupLane` or `broadcast`; it divides `lanes`.
 */
export function interpretNest(
  nest: LoopNest,
  buffers: Record<string, NestBuffer>,
  options: { readonly subgroupSize?: number } = {},
): void {
  verifyNest(nest);
  const { subgroupSize = 0 } = options;
  const clock = { epoch: 0, first: 0 };
  const shared = shareMemories(nest);
  const machine = createMachine({ nest: shared, subgroupSize, clock, memories: memoriesOf(shared, buffers) });
  const body = compileBody(machine, shared.body);
  for (let workgroup = 0; workgroup < nest.workgroups; workgroup++) {
    clock.first = ++clock.epoch;
    startWorkgroup(machine, workgroup);
    machine.memories.forEach(forgetScratch);
    body(machine.lanes);
  }
}

function createMachine(parts: Pick<Machine, "nest" | "memories" | "subgroupSize" | "clock">): Machine {
  const slots = slotsOf(parts.nest);
  const lanes = Array.from({ length: parts.nest.lanes }, (_, number) => {
    return { number, values: new Float64Array(slots.size), loads: new Map() };
  });
  return { ...parts, slots, lanes, loading: new Set(), workgroup: 0, statement: undefined };
}

function startWorkgroup(machine: Machine, workgroup: number): void {
  machine.workgroup = workgroup;
  for (const lane of machine.lanes) {
    lane.values[slot(machine, workgroupName)] = workgroup;
    lane.values[slot(machine, laneName)] = lane.number;
    if (machine.subgroupSize > 0) lane.values[slot(machine, subgroupLaneName)] = lane.number % machine.subgroupSize;
  }
}

function slotsOf(nest: LoopNest): Map<string, number> {
  const slots = new Map<string, number>();
  const declare = (name: string) => slots.set(name, slots.size);
  [workgroupName, laneName, subgroupLaneName].forEach(declare);
  const visit = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === "let" || statement.kind === "variable") declare(statement.name);
      if (statement.kind === "letIndex" || statement.kind === "loop") declare(statement.variable.name);
      if (statement.kind === "loop" || statement.kind === "if") visit(statement.body);
    }
  };
  visit(nest.body);
  return slots;
}

function store(machine: Machine, lane: Lane, to: Memory, at: number, value: number): void {
  storeElement(to, at, value, laneId(machine, lane), machine.clock, (problem) => fail(machine, lane, problem));
}

// --- loads that count -------------------------------------------------------------------------------------------

function toolsOf(machine: Machine): LoadTools<Lane> {
  return {
    memory: (name) => memory(machine, name),
    index: (of) => compileIndex(machine, of),
    test: (condition) => compileCondition(machine, condition),
    behind: (name) => (machine.loading.has(name) ? (lane) => lane.loads.get(name) : undefined),
    source: (lane, subgroupLane) => sourceLane(machine, lane, subgroupLane),
  };
}

function collected(machine: Machine, lane: Lane, collect: Collect<Lane>): Loads<Lane> {
  const loads = { lane, epoch: machine.clock.epoch, elements: [], behind: [], isCounted: false };
  collect(lane, loads);
  return loads;
}

/** The loads that these values need count now. */
function countNow(machine: Machine, ...collectors: readonly (Collect<Lane> | undefined)[]): (lane: Lane) => void {
  const all = collectors.filter((collect) => collect !== undefined);
  return (lane) => {
    for (const collect of all)
      countLoads(collected(machine, lane, collect), ({ lane: by, epoch }, from, at) =>
        countLoad(from, at, laneId(machine, by), { ...machine.clock, epoch }, (problem) => fail(machine, by, problem)),
      );
  };
}

// --- statements -------------------------------------------------------------------------------------------------

function compileBody(machine: Machine, statements: readonly Statement[]): Step {
  const steps = statements.map((statement) => [statement, compileStatement(machine, statement)] as const);
  return (active) => {
    for (const [statement, step] of steps) {
      machine.statement = statement;
      step(active);
    }
  };
}

function compileStatement(machine: Machine, statement: Statement): Step {
  switch (statement.kind) {
    case "let":
      return compileLet(machine, statement.name, statement.value);
    case "variable":
      return compileAssign(machine, statement.name, statement.initial);
    case "assign":
      return compileAssign(machine, statement.name, statement.value);
    case "letIndex":
      return compileLetIndex(machine, statement.variable, statement.value);
    case "loop": {
      const at = slot(machine, statement.variable.name);
      const body = compileBody(machine, statement.body);
      return (active) => {
        for (let i = 0; i < statement.count; i++) {
          for (const lane of active) lane.values[at] = i;
          body(active);
        }
      };
    }
    case "if": {
      const condition = compileCondition(machine, statement.condition);
      const count = countNow(machine, collectLoadsOfTest(toolsOf(machine), statement.condition));
      const body = compileBody(machine, statement.body);
      return (active) => {
        active.forEach(count);
        const inside = active.filter(condition);
        if (inside.length > 0) body(inside);
      };
    }
    case "store":
      return compileStore(machine, statement);
    case "barrier":
      return () => {
        machine.clock.epoch++;
      };
    case "call":
      return compileCall(machine, statement);
    case "reduceLanes":
      return reduceLanes(machine, statement.operator, statement.names);
    case "comment":
      return () => {};
  }
}

/** Runs the other nest over the caller's memories, the same lanes at the same time. */
function compileCall(machine: Machine, { nest, buffers }: Extract<Statement, { kind: "call" }>): Step {
  const scratch = memoriesOf({ ...nest, bindings: [] }, {});
  const given = nest.bindings.map(({ name, length }, i): [string, Memory] => {
    return [name, { ...memory(machine, buffers[i] ?? ""), name, length }];
  });
  const { subgroupSize, clock } = machine;
  const called = createMachine({ nest, subgroupSize, clock, memories: new Map([...given, ...scratch]) });
  const body = compileBody(called, nest.body);
  return () => {
    startWorkgroup(called, machine.workgroup);
    scratch.forEach(forgetScratch);
    body(called.lanes);
  };
}

/** All lanes evaluate before any lane's value changes: a broadcast sees its operand as it was. */
function setEach(at: number, value: Evaluate): Step {
  return (active) => {
    const values = active.map(value);
    active.forEach((lane, i) => (lane.values[at] = values[i] ?? 0));
  };
}

function compileLet(machine: Machine, name: string, value: Expression): Step {
  const set = setEach(slot(machine, name), compileExpression(machine, value));
  const collect = collectLoads(toolsOf(machine), value);
  if (!collect) return set;
  machine.loading.add(name);
  return (active) => {
    for (const lane of active) lane.loads.set(name, collected(machine, lane, collect));
    set(active);
  };
}

function compileAssign(machine: Machine, name: string, value: Expression): Step {
  const set = setEach(slot(machine, name), compileExpression(machine, value));
  const collect = collectLoads(toolsOf(machine), value);
  if (!collect) return set;
  const count = countNow(machine, collect);
  return (active) => {
    active.forEach(count);
    set(active);
  };
}

function compileLetIndex(machine: Machine, variable: Variable, index: Index): Step {
  const at = slot(machine, variable.name);
  const value = compileIndex(machine, index);
  return (active) => {
    for (const lane of active) {
      const result = value(lane);
      if (result < variable.minimum || result > variable.maximum)
        fail(machine, lane, `${variable.name} is ${result}, outside ${variable.minimum}..${variable.maximum}`);
      lane.values[at] = result;
    }
  };
}

function compileStore(machine: Machine, statement: Extract<Statement, { kind: "store" }>): Step {
  const to = memory(machine, statement.buffer);
  const at = compileIndex(machine, statement.index);
  const value = compileExpression(machine, statement.value);
  const where = statement.where ? compileCondition(machine, statement.where) : () => true;
  const tools = toolsOf(machine);
  const count = countNow(machine, collectLoads(tools, statement.value));
  const countWhere = countNow(machine, statement.where && collectLoadsOfTest(tools, statement.where));
  return (active) => {
    for (const lane of active) {
      countWhere(lane);
      if (!where(lane)) continue;
      count(lane);
      store(machine, lane, to, at(lane), value(lane));
    }
  };
}

function reduceLanes(machine: Machine, operator: "add" | "maximum", names: readonly string[]): Step {
  const slots = names.map((name) => slot(machine, name));
  return (active) => {
    for (const at of slots) {
      const total = active.map((lane) => lane.values[at] ?? 0).reduce((a, b) => applyBinary(operator, a, b));
      for (const lane of active) lane.values[at] = total;
    }
  };
}
