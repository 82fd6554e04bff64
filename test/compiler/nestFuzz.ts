/**
 * Random loop nests, the same for the same seed: loads, stores, masks, loops and integers in any order. Values
 * stay small and every operation rounds once, so a device differs from the interpreter by rounding at most.
 */
import type { Index } from "../../compiler/nest/integer.ts";
import { add, clamp, divide, index, multiply, remainder, variable } from "../../compiler/nest/integer.ts";
import type { Comparison, Condition, Expression, LoopNest, Statement } from "../../compiler/nest/loopNest.ts";
import { laneName, workgroupName } from "../../compiler/nest/loopNest.ts";
import { uniform } from "../../compiler/nest/random.ts";
import * as s from "./nestForms.ts";

const lanes = 8;
const workgroups = 2;
/** Elements of each buffer that belong to one lane. */
const own = 16;

/** The next number of `0..count - 1`. */
type Dice = (count: number) => number;

function dice(seed: number): Dice {
  let draws = 0;
  return (count) => Math.floor(uniform(seed, draws++, 7) * count);
}

function pick<T>(roll: Dice, items: readonly [T, ...T[]]): T {
  return items[roll(items.length)] ?? items[0];
}

interface Scope {
  readonly roll: Dice;
  /** f32 names that can be read, and those that can be assigned. */
  readonly names: readonly string[];
  readonly variables: readonly string[];
  /** Loop counters with their counts. */
  readonly counters: readonly (readonly [string, number])[];
  readonly fresh: () => string;
}

/** A place in the lane's own part: at a constant, or moving with a loop by elements or by quads. */
function ownPlace({ roll, counters }: Scope): Index {
  const base = multiply(
    add(multiply(index(variable(workgroupName, workgroups)), lanes), index(variable(laneName, lanes))),
    own,
  );
  const counter = counters[roll(counters.length + 1)];
  if (!counter) return add(base, roll(own));
  const [name, count] = counter;
  const step = pick(roll, [1, 4]);
  const room = own - step * (count - 1);
  return add(base, multiply(index(variable(name, count)), step), roll(Math.max(1, room)));
}

function randomExpression(scope: Scope, depth: number): Expression {
  const { roll, names } = scope;
  const name = names[roll(names.length)];
  const kind = roll(depth > 0 ? 8 : 4);
  if (kind === 0 && name) return s.reference(name);
  if (kind <= 2) return s.load(pick(roll, ["a", "b", "tile"]), ownPlace(scope));
  if (kind === 3) return s.number((roll(9) - 4) / 4);
  const [left, right] = [randomExpression(scope, depth - 1), randomExpression(scope, depth - 1)];
  if (kind === 4) return s.select(randomCondition(scope, depth - 1), left, right);
  if (kind === 5) return s.binary(pick(roll, ["minimum", "maximum"]), left, right);
  return s.binary("multiply", s.number(0.5), s.binary(pick(roll, ["add", "subtract"]), left, right));
}

function randomCondition(scope: Scope, depth: number): Condition {
  const { roll } = scope;
  const kind = roll(4);
  if (kind === 0 && depth > 0) {
    const operator = pick<Comparison>(roll, ["less", "lessEqual", "greater", "notEqual"]);
    return { kind: "compare", operator, left: randomExpression(scope, 0), right: randomExpression(scope, 0) };
  }
  if (kind === 1 && depth > 0)
    return {
      kind: pick(roll, ["and", "or"]),
      conditions: [randomCondition(scope, depth - 1), randomCondition(scope, depth - 1)],
    };
  if (kind === 2 && depth > 0) return { kind: "not", condition: randomCondition(scope, depth - 1) };
  const low = roll(own * 8) - 4;
  return s.inRange(ownPlace(scope), low, low + roll(own * 8));
}

function randomBody(scope: Scope, length: number, depth: number): Statement[] {
  const body: Statement[] = [];
  let inner = scope;
  for (let i = 0; i < length; i++) {
    const kind = scope.roll(10);
    const name = scope.fresh();
    if (kind === 0) {
      body.push(s.letFloat(name, randomExpression(inner, 2)));
      inner = { ...inner, names: [...inner.names, name] };
    } else if (kind === 1) {
      body.push(s.accumulator(name, randomExpression(inner, 1)));
      inner = { ...inner, names: [...inner.names, name], variables: [...inner.variables, name] };
    } else if (kind === 2 && inner.variables.length > 0) {
      const target = inner.variables[scope.roll(inner.variables.length)] ?? name;
      body.push(s.assign(target, randomExpression(inner, 2)));
    } else if (kind === 3 && depth > 0) {
      const count = 2 + scope.roll(3);
      const looped: Scope = { ...inner, counters: [...inner.counters, [name, count]] };
      body.push(s.loop(variable(name, count), count, randomBody(looped, 4, depth - 1)));
    } else if (kind === 4 && depth > 0) {
      body.push({ kind: "if", condition: randomCondition(inner, 1), body: randomBody(inner, 3, depth - 1) });
    } else if (kind === 5) body.push(...quadOfStores(inner));
    else {
      const where = scope.roll(3) === 0 ? randomCondition(inner, 1) : undefined;
      body.push(s.store(pick(scope.roll, ["a", "b", "tile"]), ownPlace(inner), randomExpression(inner, 2), where));
    }
  }
  return body;
}

function quadOfStores(scope: Scope): Statement[] {
  const buffer = pick(scope.roll, ["a", "b", "tile"]);
  const start = add(ownPlace({ ...scope, counters: [] }), 0);
  const base = add(start, -(start.constant % 4));
  const where = scope.roll(2) === 0 ? randomCondition(scope, 1) : undefined;
  return [0, 1, 2, 3].map((j) => s.store(buffer, add(base, j), randomExpression(scope, 1), where));
}

/** A nest of about 20 statements in which each lane works on its own parts of `a`, `b` and of scratch memory. */
export function randomNest(seed: number): LoopNest {
  let names = 0;
  const scope: Scope = {
    roll: dice(seed),
    names: [],
    variables: [],
    counters: [],
    fresh: () => `n${names++}`,
  };
  const length = lanes * own * workgroups;
  const at = (i: number) =>
    add(
      multiply(add(multiply(index(variable(workgroupName, workgroups)), lanes), index(variable(laneName, lanes))), own),
      i,
    );
  const fill = Array.from({ length: own }, (_, i) => s.store("tile", at(i), s.load("a", at(i))));
  return s.nest(`random ${seed}`, {
    bindings: [s.readwrite("a", length), s.readwrite("b", length)],
    scratch: [{ name: "tile", length }],
    workgroups,
    lanes,
    body: [...fill, ...randomBody(scope, 20, 2)],
  });
}

export function randomNestBuffers(): Record<"a" | "b", Float32Array> {
  const length = lanes * own * workgroups;
  return { a: s.values(length), b: s.values(length, 2) };
}

function randomIndex(roll: Dice, depth: number): Index {
  const kind = roll(depth > 0 ? 7 : 2);
  if (kind === 0) return index(variable(laneName, 32));
  if (kind === 1) return index(variable(workgroupName, 5));
  const inner = randomIndex(roll, depth - 1);
  if (kind === 2) return divide(inner, 2 + roll(9));
  if (kind === 3) return remainder(inner, 2 + roll(9));
  if (kind === 4) return clamp(inner, roll(20) - 10, 10 + roll(20));
  return add(multiply(inner, roll(9) - 4), multiply(randomIndex(roll, depth - 1), roll(7) - 3), roll(41) - 20);
}

/** A nest that stores eight random integers of workgroup and lane, and whether each is in some range. */
export function randomIntegers(seed: number): LoopNest {
  const roll = dice(seed);
  const at = multiply(add(multiply(index(variable(workgroupName, 5)), 32), index(variable(laneName, 32))), 16);
  const body = Array.from({ length: 8 }, (_, i) => {
    const value = randomIndex(roll, 4);
    const low = roll(60) - 30;
    const inside = s.inRange(value, low, low + roll(40));
    return [
      s.store("out", add(at, 2 * i), s.asFloat(value)),
      s.store("out", add(at, 2 * i + 1), s.select(inside, s.number(1), s.number(0))),
    ];
  });
  return s.nest(`integers ${seed}`, {
    bindings: [s.readwrite("out", 5 * 32 * 16)],
    workgroups: 5,
    lanes: 32,
    body: body.flat(),
  });
}
