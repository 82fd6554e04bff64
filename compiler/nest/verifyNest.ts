/**
 * What is legal in a loop nest, as an executable specification.
 *
 * In: a nest. Out: nothing, or an `InvariantError` that names the kernel, the statement and the rule. Checked here is
 * what can be seen without running: names, scopes, types, ranges and uniform control flow. That indices stay inside
 * their buffers and lanes do not race is checked by running the nest (interpretNest.ts).
 */
import { InvariantError } from "../invariantError.ts";
import type { Atom, Index, Variable } from "./integer.ts";
import type { Condition, ElementType, Expression, LoopNest, Statement } from "./loopNest.ts";
import { laneName, subgroupLaneName, workgroupName } from "./loopNest.ts";
import { printIndex, printStatement } from "./printNest.ts";

type Entity =
  | { readonly kind: "integer"; readonly minimum: number; readonly maximum: number; readonly uniform: boolean }
  | { readonly kind: "let" }
  | { readonly kind: "variable" };

interface Buffer {
  readonly type: ElementType;
  readonly length: number;
  readonly writable: boolean;
}

interface Checker {
  readonly nest: LoopNest;
  readonly buffers: ReadonlyMap<string, Buffer>;
  /** Every name ever declared: a name is used once in a nest. */
  readonly names: Set<string>;
  readonly stored: ReadonlySet<string>;
  /** Innermost last. */
  readonly scopes: Map<string, Entity>[];
  /** Whether all lanes of a workgroup run the present statement together. */
  uniform: boolean;
  statement: Statement | undefined;
}

/** Throws an `InvariantError` for the first rule that the nest breaks. */
export function verifyNest(nest: LoopNest): void {
  const checker: Checker = {
    nest,
    buffers: buffersOf(nest),
    names: new Set([...nest.bindings, ...nest.scratch].map(({ name }) => name)),
    stored: storedBuffers(nest.body),
    scopes: [rootScope(nest)],
    uniform: true,
    statement: undefined,
  };
  checkHead(checker);
  checkBody(checker, nest.body);
}

function rootScope({ workgroups, lanes }: LoopNest): Map<string, Entity> {
  return new Map<string, Entity>([
    [workgroupName, { kind: "integer", minimum: 0, maximum: workgroups - 1, uniform: true }],
    [laneName, { kind: "integer", minimum: 0, maximum: lanes - 1, uniform: false }],
    [subgroupLaneName, { kind: "integer", minimum: 0, maximum: 0, uniform: false }],
  ]);
}

function buffersOf({ bindings, scratch }: LoopNest): Map<string, Buffer> {
  return new Map([
    ...bindings.map(
      ({ name, type, length, access }) => [name, { type, length, writable: access === "readwrite" }] as const,
    ),
    ...scratch.map(({ name, length }) => [name, { type: "f32" as const, length, writable: true }] as const),
  ]);
}

/** The names of all buffers that the statements store to. */
export function storedBuffers(statements: readonly Statement[], into = new Set<string>()): Set<string> {
  for (const statement of statements) {
    if (statement.kind === "store") into.add(statement.buffer);
    if (statement.kind === "call")
      statement.nest.bindings.forEach(({ access }, i) => {
        if (access === "readwrite") into.add(statement.buffers[i] ?? "");
      });
    if (statement.kind === "loop" || statement.kind === "if") storedBuffers(statement.body, into);
  }
  return into;
}

function demand(checker: Checker, holds: boolean, rule: () => string): asserts holds {
  if (holds) return;
  const at = checker.statement ? ` (at: ${printStatement(checker.statement)[0]})` : "";
  throw new InvariantError(`${checker.nest.name}: ${rule()}${at}`);
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}

const identifier = /^[A-Za-z][A-Za-z0-9_]*$/;
const reserved = new Set([workgroupName, laneName, subgroupLaneName]);

function checkName(checker: Checker, name: string): void {
  demand(
    checker,
    identifier.test(name) && !name.includes("__"),
    () => `"${name}" is no name (letters, digits, single _)`,
  );
  demand(checker, !reserved.has(name), () => `${name} is a reserved name`);
}

function checkHead(checker: Checker): void {
  const { nest } = checker;
  demand(checker, isCount(nest.workgroups) && isCount(nest.lanes), () => "workgroups and lanes must be 1 or more");
  const buffers = [...nest.bindings, ...nest.scratch];
  demand(checker, checker.names.size === buffers.length, () => "two buffers have the same name");
  for (const { name, length } of buffers) {
    checkName(checker, name);
    demand(checker, isCount(length), () => `${name} must have 1 element or more`);
  }
  for (const line of [nest.name, ...nest.header])
    demand(checker, !line.includes("\n"), () => "a header line must be one line");
}

function checkBody(checker: Checker, statements: readonly Statement[], scope = new Map<string, Entity>()): void {
  checker.scopes.push(scope);
  for (const statement of statements) {
    checker.statement = statement;
    checkStatement(checker, statement);
  }
  checker.scopes.pop();
}

function declare(checker: Checker, name: string, entity: Entity): void {
  checkName(checker, name);
  demand(checker, !checker.names.has(name), () => `the name ${name} is used twice`);
  checker.names.add(name);
  checker.scopes.at(-1)?.set(name, entity);
}

function find(checker: Checker, name: string): Entity {
  const found = checker.scopes.findLast((scope) => scope.has(name))?.get(name);
  demand(checker, found !== undefined, () => `${name} is not defined here`);
  return found;
}

function checkStatement(checker: Checker, statement: Statement): void {
  switch (statement.kind) {
    case "let":
      checkExpression(checker, statement.value);
      return declare(checker, statement.name, { kind: "let" });
    case "letIndex": {
      const uniform = checkIndex(checker, statement.value);
      return declare(checker, statement.variable.name, integer(statement.variable, uniform));
    }
    case "variable":
      checkExpression(checker, statement.initial);
      return declare(checker, statement.name, { kind: "variable" });
    case "assign":
      checkVariable(checker, statement.name);
      return checkExpression(checker, statement.value);
    case "loop":
      return checkLoop(checker, statement.variable, statement.count, statement.body);
    case "if": {
      const before = checker.uniform;
      checker.uniform = checkCondition(checker, statement.condition) && before;
      checkBody(checker, statement.body);
      checker.uniform = before;
      return;
    }
    case "store":
      return checkStore(checker, statement);
    case "barrier":
      return demand(checker, checker.uniform, () => "a barrier needs all lanes: it is inside a lane's own `if`");
    case "call":
      return checkCall(checker, statement);
    case "reduceLanes":
      demand(checker, checker.uniform, () => "a reduction over lanes needs all lanes: it is inside a lane's own `if`");
      demand(checker, statement.names.length > 0, () => "a reduction over lanes must name a variable");
      demand(checker, new Set(statement.names).size === statement.names.length, () => "a name is reduced twice");
      return statement.names.forEach((name) => checkVariable(checker, name));
    case "comment":
      return demand(checker, !statement.text.includes("\n"), () => "a comment must be one line");
  }
}

function integer({ minimum, maximum }: Variable, uniform: boolean): Entity {
  return { kind: "integer", minimum, maximum, uniform };
}

function checkCall(checker: Checker, { nest, buffers }: Extract<Statement, { kind: "call" }>): void {
  const { nest: caller } = checker;
  demand(checker, checker.scopes.length === 2, () => "a call stands in no loop and no `if`");
  const alike = nest.lanes === caller.lanes && nest.workgroups === caller.workgroups;
  demand(checker, alike, () => `${nest.name} has other lanes or workgroups`);
  demand(checker, buffers.length === nest.bindings.length, () => `${nest.name} is given ${buffers.length} buffers`);
  nest.bindings.forEach(({ name, type, length, access }, i) => {
    const given = checker.buffers.get(buffers[i] ?? "");
    demand(checker, given !== undefined, () => `there is no buffer ${buffers[i]}`);
    demand(checker, given.type === type && given.length >= length, () => `${buffers[i]} is no ${name} of ${nest.name}`);
    demand(checker, given.writable || access === "read", () => `${buffers[i]} is written by ${nest.name}`);
  });
  const { statement } = checker;
  verifyNest(nest);
  checker.statement = statement;
}

function checkVariable(checker: Checker, name: string): void {
  demand(checker, find(checker, name).kind === "variable", () => `${name} is not a variable`);
}

function checkLoop(checker: Checker, variable: Variable, count: number, body: readonly Statement[]): void {
  demand(checker, isCount(count), () => `a loop must run once or more, not ${count} times`);
  demand(checker, variable.minimum <= 0 && variable.maximum >= count - 1, () => `${variable.name} leaves its range`);
  declare(checker, variable.name, { kind: "integer", minimum: 0, maximum: count - 1, uniform: true });
  const entity = checker.scopes.at(-1)?.get(variable.name);
  checker.scopes.at(-1)?.delete(variable.name);
  checkBody(checker, body, new Map(entity ? [[variable.name, entity]] : []));
}

function checkStore(checker: Checker, statement: Extract<Statement, { kind: "store" }>): void {
  const buffer = checker.buffers.get(statement.buffer);
  demand(checker, buffer !== undefined, () => `there is no buffer ${statement.buffer}`);
  demand(checker, buffer.writable, () => `${statement.buffer} is written but bound for reading only`);
  demand(checker, buffer.type !== "u8", () => `${statement.buffer} holds bytes, which kernels cannot store`);
  if (statement.where) checkCondition(checker, statement.where);
  checkAddress(checker, statement.buffer, statement.index);
  checkExpression(checker, statement.value);
}

function checkAddress(checker: Checker, name: string, index: Index): void {
  const buffer = checker.buffers.get(name);
  demand(checker, buffer !== undefined, () => `there is no buffer ${name}`);
  checkIndex(checker, index);
  const meets = index.maximum >= 0 && index.minimum < buffer.length;
  demand(checker, meets, () => `${name}[${printIndex(index)}] is never inside its ${buffer.length} elements`);
}

/** Checks names and ranges; true where all lanes of a workgroup have the same value. */
function checkIndex(checker: Checker, { constant, terms }: Index): boolean {
  demand(checker, Number.isInteger(constant), () => `${constant} is not an integer`);
  return terms
    .map(({ atom, factor }) => {
      demand(checker, Number.isInteger(factor) && factor !== 0, () => `${factor} is no factor`);
      return checkAtom(checker, atom);
    })
    .every(Boolean);
}

function checkAtom(checker: Checker, atom: Atom): boolean {
  switch (atom.kind) {
    case "variable": {
      const entity = find(checker, atom.name);
      demand(checker, entity.kind === "integer", () => `${atom.name} is not an integer`);
      const covers = atom.minimum <= entity.minimum && atom.maximum >= entity.maximum;
      demand(
        checker,
        covers,
        () =>
          `${atom.name} is used as ${atom.minimum}..${atom.maximum} but runs over ${entity.minimum}..${entity.maximum}`,
      );
      return entity.uniform;
    }
    case "quotient":
    case "remainder":
      demand(checker, isCount(atom.divisor), () => `division by ${atom.divisor}`);
      return checkIndex(checker, atom.of);
    case "clamp":
      demand(checker, atom.minimum <= atom.maximum, () => `clamp to the empty range ${atom.minimum}..${atom.maximum}`);
      return checkIndex(checker, atom.of);
    case "element": {
      const type = checker.buffers.get(atom.buffer)?.type;
      demand(checker, type === "u32" || type === "u8", () => `${atom.buffer} holds no integers`);
      demand(checker, !checker.stored.has(atom.buffer), () => `${atom.buffer} gives an index and is written`);
      checkAddress(checker, atom.buffer, atom.at);
      return false;
    }
  }
}

function checkExpression(checker: Checker, expression: Expression): void {
  switch (expression.kind) {
    case "constant":
      return;
    case "reference":
      return demand(
        checker,
        find(checker, expression.name).kind !== "integer",
        () => `${expression.name} is an integer, used as an f32`,
      );
    case "index":
      checkIndex(checker, expression.index);
      return;
    case "load":
      return checkAddress(checker, expression.buffer, expression.index);
    case "unary":
      return checkExpression(checker, expression.operand);
    case "binary":
      return [expression.left, expression.right].forEach((part) => checkExpression(checker, part));
    case "multiplyAdd":
      return [expression.a, expression.b, expression.c].forEach((part) => checkExpression(checker, part));
    case "select":
      checkCondition(checker, expression.condition);
      return [expression.then, expression.otherwise].forEach((part) => checkExpression(checker, part));
    case "random":
      return expression.counters.forEach((counter) => checkIndex(checker, counter));
    case "broadcast":
      demand(checker, checker.uniform, () => "a broadcast needs all lanes: it is inside a lane's own `if`");
      demand(checker, find(checker, expression.name).kind === "let", () => `${expression.name} is not a let`);
      return demand(
        checker,
        Number.isInteger(expression.subgroupLane) && expression.subgroupLane >= 0,
        () => `there is no lane ${expression.subgroupLane}`,
      );
  }
}

/** Checks the parts; true where all lanes of a workgroup decide alike. */
function checkCondition(checker: Checker, condition: Condition): boolean {
  switch (condition.kind) {
    case "compare":
      checkExpression(checker, condition.left);
      checkExpression(checker, condition.right);
      return false;
    case "inRange":
      return checkIndex(checker, condition.index);
    case "and":
    case "or":
      return condition.conditions.map((part) => checkCondition(checker, part)).every(Boolean);
    case "not":
      return checkCondition(checker, condition.condition);
  }
}
