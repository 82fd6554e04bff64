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
import { InvariantError } from "../invariantError.ts";
import { applyBinary, applyMultiplyAdd, applyUnary, compare } from "./arithmetic.ts";
import type { Index, Variable } from "./integer.ts";
import type { Condition, Expression, LoopNest, Statement } from "./loopNest.ts";
import { laneName, subgroupLaneName, workgroupName } from "./loopNest.ts";
import { printStatement } from "./printNest.ts";
import { uniform } from "./random.ts";
import type { Clock, Memory, NestBuffer } from "./nestMemory.ts";
import { countLoad, forgetScratch, loadElement, memoriesOf, storeElement } from "./nestMemory.ts";
import { collectLoads, collectLoadsOfTest, countLoads, type Collect, type Loads, type LoadTools } from "./usedLoads.ts";
import { verifyNest } from "./verifyNest.ts";

interface Lane {
  readonly number: number;
  /** One slot for each name of the nest, integers and f32 values alike. */
  readonly values: Float64Array;
  /** The loads behind the names that are made of any. */
  readonly loads: Map<string, Loads<Lane>>;
}

interface Machine {
  readonly nest: LoopNest;
  readonly slots: Map<string, number>;
  readonly memories: Map<string, Memory>;
  readonly lanes: readonly Lane[];
  readonly subgroupSize: number;
  readonly clock: Clock;
  /** Names whose values are made of loads of what is written. */
  readonly loading: Set<string>;
  workgroup: number;
  statement: Statement | undefined;
}

type Evaluate = (lane: Lane) => number;
type Test = (lane: Lane) => boolean;
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
  const slots = slotsOf(nest);
  const machine: Machine = {
    nest,
    slots,
    memories: memoriesOf(nest, buffers),
    lanes: Array.from({ length: nest.lanes }, (_, number) => {
      return { number, values: new Float64Array(slots.size), loads: new Map() };
    }),
    subgroupSize: options.subgroupSize ?? 0,
    clock: { epoch: 0, first: 0 },
    loading: new Set(),
    workgroup: 0,
    statement: undefined,
  };
  const body = compileBody(machine, nest.body);
  for (let workgroup = 0; workgroup < nest.workgroups; workgroup++) {
    startWorkgroup(machine, workgroup);
    body(machine.lanes);
  }
}

function startWorkgroup(machine: Machine, workgroup: number): void {
  machine.workgroup = workgroup;
  machine.clock.first = ++machine.clock.epoch;
  machine.memories.forEach(forgetScratch);
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

function fail(machine: Machine, lane: Lane | undefined, problem: string): never {
  const where = `workgroup ${machine.workgroup}${lane ? `, lane ${lane.number}` : ""}`;
  const statement = machine.statement ? printStatement(machine.statement)[0] : "";
  throw new InvariantError(`${machine.nest.name}: ${problem} (${where}, at: ${statement})`);
}

function slot(machine: Machine, name: string): number {
  const found = machine.slots.get(name);
  if (found === undefined) fail(machine, undefined, `the name ${name} is not defined`);
  return found;
}

function memory(machine: Machine, name: string): Memory {
  const found = machine.memories.get(name);
  if (!found) fail(machine, undefined, `there is no buffer ${name}`);
  return found;
}

function store(machine: Machine, lane: Lane, to: Memory, at: number, value: number): void {
  storeElement(to, at, value, laneId(machine, lane), machine.clock, (problem) => fail(machine, lane, problem));
}

function laneId(machine: Machine, lane: Lane): number {
  return machine.workgroup * machine.nest.lanes + lane.number + 1;
}

// --- expressions ------------------------------------------------------------------------------------------------

function compileIndex(machine: Machine, { constant, terms }: Index): Evaluate {
  const parts = terms.map(({ atom, factor }): Evaluate => {
    if (atom.kind === "variable") {
      const at = slot(machine, atom.name);
      return (lane) => factor * (lane.values[at] ?? 0);
    }
    if (atom.kind === "element") {
      const from = memory(machine, atom.buffer);
      const at = compileIndex(machine, atom.at);
      return (lane) => {
        const value = loadElement(from, at(lane));
        if (value > atom.maximum)
          fail(machine, lane, `${atom.buffer} holds ${value}, above the promised ${atom.maximum}`);
        return factor * value;
      };
    }
    const of = compileIndex(machine, atom.of);
    if (atom.kind === "quotient") return (lane) => factor * Math.floor(of(lane) / atom.divisor);
    if (atom.kind === "clamp") return (lane) => factor * Math.min(Math.max(of(lane), atom.minimum), atom.maximum);
    return (lane) => {
      const value = of(lane);
      return factor * (value - Math.floor(value / atom.divisor) * atom.divisor);
    };
  });
  return (lane) => {
    let sum = constant;
    for (const part of parts) sum += part(lane);
    return sum;
  };
}

function compileExpression(machine: Machine, expression: Expression): Evaluate {
  switch (expression.kind) {
    case "constant": {
      const value = Math.fround(expression.value);
      return () => value;
    }
    case "reference": {
      const at = slot(machine, expression.name);
      return (lane) => lane.values[at] ?? 0;
    }
    case "index": {
      const index = compileIndex(machine, expression.index);
      return (lane) => Math.fround(index(lane));
    }
    case "load": {
      const from = memory(machine, expression.buffer);
      const at = compileIndex(machine, expression.index);
      return (lane) => Math.fround(loadElement(from, at(lane)));
    }
    case "unary": {
      const operand = compileExpression(machine, expression.operand);
      return (lane) => applyUnary(expression.operator, operand(lane));
    }
    case "binary": {
      const left = compileExpression(machine, expression.left);
      const right = compileExpression(machine, expression.right);
      return (lane) => applyBinary(expression.operator, left(lane), right(lane));
    }
    case "multiplyAdd": {
      const [a, b, c] = [expression.a, expression.b, expression.c].map((part) => compileExpression(machine, part));
      if (!a || !b || !c) return fail(machine, undefined, "a multiplyAdd needs three operands");
      return (lane) => applyMultiplyAdd(a(lane), b(lane), c(lane));
    }
    case "select": {
      const condition = compileCondition(machine, expression.condition);
      const then = compileExpression(machine, expression.then);
      const otherwise = compileExpression(machine, expression.otherwise);
      return (lane) => (condition(lane) ? then(lane) : otherwise(lane));
    }
    case "random": {
      const [a, b, c] = expression.counters.map((counter) => compileIndex(machine, counter));
      if (!a || !b || !c) return fail(machine, undefined, "a random number needs three counters");
      return (lane) => uniform(a(lane), b(lane), c(lane));
    }
    case "broadcast":
      return compileBroadcast(machine, expression.name, expression.subgroupLane);
  }
}

function sourceLane({ lanes, subgroupSize }: Machine, lane: Lane, subgroupLane: number): Lane | undefined {
  return lanes[lane.number - (lane.number % subgroupSize) + subgroupLane];
}

function compileBroadcast(machine: Machine, name: string, subgroupLane: number): Evaluate {
  const at = slot(machine, name);
  return (lane) => {
    const source = sourceLane(machine, lane, subgroupLane);
    if (!source || subgroupLane >= machine.subgroupSize)
      return fail(machine, lane, `there is no lane ${subgroupLane} in a subgroup of ${machine.subgroupSize}`);
    return source.values[at] ?? 0;
  };
}

function compileCondition(machine: Machine, condition: Condition): Test {
  switch (condition.kind) {
    case "compare": {
      const left = compileExpression(machine, condition.left);
      const right = compileExpression(machine, condition.right);
      return (lane) => compare(condition.operator, left(lane), right(lane));
    }
    case "inRange": {
      const index = compileIndex(machine, condition.index);
      return (lane) => {
        const value = index(lane);
        return condition.minimum <= value && value <= condition.maximum;
      };
    }
    case "and":
    case "or": {
      const parts = condition.conditions.map((part) => compileCondition(machine, part));
      return condition.kind === "and"
        ? (lane) => parts.every((part) => part(lane))
        : (lane) => parts.some((part) => part(lane));
    }
    case "not": {
      const inner = compileCondition(machine, condition.condition);
      return (lane) => !inner(lane);
    }
  }
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
    case "reduceLanes":
      return reduceLanes(machine, statement.operator, statement.names);
    case "comment":
      return () => {};
  }
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
