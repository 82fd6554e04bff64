/**
 * Which loads of a nest count: those whose values are used.
 *
 * In: expressions, and where a lane's names and memories are. Out: for each lane the loads that a value needs, with the
 * time at which they were made; they count when the value is stored, accumulated or decides something. What holds: of a
 * `select` only the side that is taken counts, so that loads which a test would have kept from their neighbours' elements
 * may be made early (as those outside of their buffer may); of a name, what it was made of, once.
 */
import type { Index } from "./integer.ts";
import type { Condition, Expression } from "./loopNest.ts";
import type { Memory } from "./nestMemory.ts";

/** Loads that one lane has made and that have not counted yet. */
export interface Loads<Lane> {
  readonly lane: Lane;
  /** When they were made. */
  readonly epoch: number;
  readonly elements: { readonly from: Memory; readonly at: number }[];
  /** Those behind the names that the value is made of. */
  readonly behind: Loads<Lane>[];
  isCounted: boolean;
}

/** Adds what a value, as it is now, needs. */
export type Collect<Lane> = (lane: Lane, into: Loads<Lane>) => void;

export interface LoadTools<Lane> {
  readonly memory: (name: string) => Memory;
  readonly index: (of: Index) => (lane: Lane) => number;
  readonly test: (condition: Condition) => (lane: Lane) => boolean;
  /** The loads behind a name; undefined where no expression of that name loads what is ever written. */
  readonly behind: (name: string) => ((lane: Lane) => Loads<Lane> | undefined) | undefined;
  /** The lane of the same subgroup whose value is broadcast. */
  readonly source: (lane: Lane, subgroupLane: number) => Lane | undefined;
}

type Maybe<Lane> = Collect<Lane> | undefined;

function both<Lane>(...parts: readonly Maybe<Lane>[]): Maybe<Lane> {
  const found = parts.filter((part) => part !== undefined);
  if (found.length < 2) return found[0];
  return (lane, into) => found.forEach((part) => part(lane, into));
}

/** Undefined where an expression loads nothing that is ever written. */
export function collectLoads<Lane>(tools: LoadTools<Lane>, expression: Expression): Maybe<Lane> {
  const of = (part: Expression): Maybe<Lane> => collectLoads(tools, part);
  switch (expression.kind) {
    case "constant":
    case "index":
    case "random":
      return undefined;
    case "load": {
      const from = tools.memory(expression.buffer);
      const at = tools.index(expression.index);
      return from.history && ((lane, { elements }) => void elements.push({ from, at: at(lane) }));
    }
    case "reference": {
      const behind = tools.behind(expression.name);
      return behind && ((lane, into) => addBehind(behind(lane), into));
    }
    case "broadcast": {
      const behind = tools.behind(expression.name);
      if (!behind) return undefined;
      return (lane, into) => {
        const source = tools.source(lane, expression.subgroupLane);
        if (source !== undefined) addBehind(behind(source), into);
      };
    }
    case "unary":
      return of(expression.operand);
    case "binary":
      return both(of(expression.left), of(expression.right));
    case "multiplyAdd":
      return both(of(expression.a), of(expression.b), of(expression.c));
    case "select":
      return both(collectLoadsOfTest(tools, expression.condition), collectChosen(tools, expression));
  }
}

function collectChosen<Lane>(
  tools: LoadTools<Lane>,
  { condition, then, otherwise }: Extract<Expression, { kind: "select" }>,
): Maybe<Lane> {
  const [ofThen, ofOtherwise] = [collectLoads(tools, then), collectLoads(tools, otherwise)];
  if (!ofThen && !ofOtherwise) return undefined;
  const test = tools.test(condition);
  return (lane, into) => (test(lane) ? ofThen : ofOtherwise)?.(lane, into);
}

export function collectLoadsOfTest<Lane>(tools: LoadTools<Lane>, condition: Condition): Maybe<Lane> {
  switch (condition.kind) {
    case "inRange":
      return undefined;
    case "compare":
      return both(collectLoads(tools, condition.left), collectLoads(tools, condition.right));
    case "not":
      return collectLoadsOfTest(tools, condition.condition);
    case "and":
    case "or":
      return both(...condition.conditions.map((part) => collectLoadsOfTest(tools, part)));
  }
}

function addBehind<Lane>(loads: Loads<Lane> | undefined, { behind }: Loads<Lane>): void {
  if (loads && !loads.isCounted) behind.push(loads);
}

/** Tells of each load that has not counted yet. */
export function countLoads<Lane>(
  loads: Loads<Lane>,
  tell: (loads: Loads<Lane>, from: Memory, at: number) => void,
): void {
  if (loads.isCounted) return;
  loads.isCounted = true;
  for (const { from, at } of loads.elements) tell(loads, from, at);
  for (const one of loads.behind) countLoads(one, tell);
}
