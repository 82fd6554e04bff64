/**
 * The values of a loop nest as the interpreter computes them: indices, expressions and tests, each as a function of a lane.
 *
 * In: what a nest is made of, and the machine that runs it. Out: functions that give a lane's value, rounded to f32 after
 * every operation. What holds: an integer outside its promised range ends in an `InvariantError` that names the place.
 */
import { InvariantError } from "../invariantError.ts";
import { applyBinary, applyMultiplyAdd, applyUnary, compare } from "./arithmetic.ts";
import type { Index } from "./integer.ts";
import type { Condition, Expression, LoopNest, Statement } from "./loopNest.ts";
import { loadElement, type Clock, type Memory } from "./nestMemory.ts";
import { printStatement } from "./printNest.ts";
import { uniform } from "./random.ts";
import type { Loads } from "./usedLoads.ts";

export interface Lane {
  readonly number: number;
  /** One slot for each name of the nest, integers and f32 values alike. */
  readonly values: Float64Array;
  /** The loads behind the names that are made of any. */
  readonly loads: Map<string, Loads<Lane>>;
}

export interface Machine {
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

export type Evaluate = (lane: Lane) => number;
export type Test = (lane: Lane) => boolean;

export function fail(machine: Machine, lane: Lane | undefined, problem: string): never {
  const where = `workgroup ${machine.workgroup}${lane ? `, lane ${lane.number}` : ""}`;
  const statement = machine.statement ? printStatement(machine.statement)[0] : "";
  throw new InvariantError(`${machine.nest.name}: ${problem} (${where}, at: ${statement})`);
}

export function slot(machine: Machine, name: string): number {
  const found = machine.slots.get(name);
  if (found === undefined) fail(machine, undefined, `the name ${name} is not defined`);
  return found;
}

export function memory(machine: Machine, name: string): Memory {
  const found = machine.memories.get(name);
  if (!found) fail(machine, undefined, `there is no buffer ${name}`);
  return found;
}

export function laneId(machine: Machine, lane: Lane): number {
  return machine.workgroup * machine.nest.lanes + lane.number + 1;
}

export function compileIndex(machine: Machine, { constant, terms }: Index): Evaluate {
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

export function compileExpression(machine: Machine, expression: Expression): Evaluate {
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

export function sourceLane({ lanes, subgroupSize }: Machine, lane: Lane, subgroupLane: number): Lane | undefined {
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

export function compileCondition(machine: Machine, condition: Condition): Test {
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
