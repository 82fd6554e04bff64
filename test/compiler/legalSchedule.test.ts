/** Schedules from files: what obeys the rules is taken as it is, everything else is refused, whatever JSON holds. */
import { describe, expect, test } from "vitest";
import { compile, usedSchedules } from "../../compiler/compile.ts";
import { isLegal, readSchedule } from "../../compiler/lower/legalSchedule.ts";
import { backendFor } from "../../compiler/schedule/backends.ts";
import type { AxisStep, Schedule } from "../../compiler/schedule/schedule.ts";
import type { Target } from "../../compiler/target.ts";
import type { TuningSubject } from "../../compiler/tuning/tuning.ts";
import { checkText } from "../../language/index.ts";
import { randomSchedule } from "../support/randomSchedules.ts";
import { targets } from "../support/targets.ts";
import { subjectsOf } from "../support/tuningSubjects.ts";

const text = `model M {
input 3@32x32
conv 8@3x3 pad 1 stride 2 -> bn -> relu -> pool max 2
conv 16@3x3 pad same -> bn -> relu
fc 10
}
train {
data shapes
batch 4
optimizer adam lr 0.01
}`;

const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe.each(Object.entries(targets))("for %s", (_, target) => {
  const subjects = subjectsOf(text, target);

  test("what the cost models make is legal, and the same after it was in a file", () => {
    let count = 0;
    for (const subject of subjects)
      for (const schedule of backendFor(target).candidates(subject.kernel, subject.tensors, target, subject.chunks)) {
        expect(readSchedule(throughJson(schedule))).toEqual(schedule);
        expect(isLegal(schedule, { ...subject, target })).toBe(true);
        count++;
      }
    expect(count).toBeGreaterThan(3 * subjects.length);
  });

  test("so is what is made at random by the same rules", () => {
    const { kernel, tensors } = subjectOf(subjects, convolution);
    for (let seed = 1; seed <= 50; seed++)
      expect(isLegal(randomSchedule(kernel, tensors, target, seed), { kernel, tensors, target })).toBe(true);
  });
});

type Wanted = (subject: TuningSubject) => boolean;
const convolution: Wanted = ({ name }) => name === "conv1 (line 3)";
const parameters: Wanted = ({ kernel: { inPlace, domain } }) => inPlace && (domain[0] ?? 0) > 100;
const inChunks: Wanted = ({ chunks = 1 }) => chunks > 1;

function subjectOf(subjects: readonly TuningSubject[], wanted: Wanted): TuningSubject {
  const found = subjects.find(wanted);
  if (!found) throw new Error("there is no such kernel");
  return found;
}

/** A kernel of a target under its default schedule, not cut into chunks. */
function sample(target: Target, wanted: Wanted): { schedule: Schedule; subject: TuningSubject & { target: Target } } {
  const subject = { ...subjectOf(subjectsOf(text, target), wanted), chunks: undefined, target };
  const schedule = backendFor(target).schedule(subject.kernel, subject.tensors, target);
  expect(isLegal(schedule, subject)).toBe(true);
  return { schedule, subject };
}

type Change = (schedule: Schedule, subject: TuningSubject) => object;
const whole = ({ kernel }: TuningSubject): AxisStep[] =>
  kernel.domain.map((extent, d) => ({ axis: `d${d}`, step: extent }));
const axis = (name: string, step = 1): AxisStep => ({ axis: name, step });

/** What no target allows. */
const common: readonly (readonly [string, Change])[] = [
  ["an axis that is not there", ({ loops }) => ({ loops: [...loops, axis("d9")] })],
  ["a piece longer than its axis", () => ({ grid: [axis("d0", 1000)] })],
  ["pieces of nothing", () => ({ grid: [axis("d0", 0)] })],
  ["a reduction that is cut unevenly", () => ({ grid: [], threads: [], stage: [], loops: [axis("r1", 2)] })],
  ["workgroups that share a sum", ({ grid }) => ({ grid: [...grid, axis("r0")] })],
  ["an operand that is not there", () => ({ stage: [{ operand: "nothing", depth: 0 }] })],
  ["everything written out at once", () => ({ grid: [], threads: [], loops: [], stage: [] })],
  [
    "everything written out turn by turn",
    (_, subject) => ({
      grid: [],
      threads: [],
      stage: [],
      loops: [...whole(subject).map(({ axis: name }) => ({ ...axis(name), unrolled: true })), axis("r0")],
    }),
  ],
];

const wasmOnly: readonly (readonly [string, Change])[] = [
  ["staging deeper than there are loops", ({ loops }) => ({ stage: [{ operand: "input", depth: loops.length + 1 }] })],
  ["staging along a coordinate that is not there", () => ({ stage: [{ operand: "input", depth: 0, innermost: 4 }] })],
  ["staging along half a coordinate", () => ({ stage: [{ operand: "input", depth: 0, innermost: 0.5 }] })],
  ["lanes without their axis", () => ({ vector: undefined, lanes: 4 })],
  ["eight lanes", () => ({ lanes: 8 })],
  ["an axis of lanes that is not there", () => ({ lanes: 4, vector: "d9" })],
  ["fewer elements than lanes", ({ loops }) => ({ lanes: 4, vector: "d0", loops: [...loops, axis("d0")] })],
  ["lanes of GPUs", () => ({ threads: [axis("d0")] })],
  ["broadcasts", () => ({ broadcast: true })],
  ["rolling loads", () => ({ roll: true })],
  ["loads in loops", () => ({ loadsInLoops: true })],
  ["stores in loops", () => ({ storesInLoops: true })],
];

const wgslOnly: readonly (readonly [string, Change])[] = [
  ["more lanes than the adapter has", () => ({ lanes: 512 })],
  ["an axis of lanes", () => ({ vector: "d0" })],
  ["staging", () => ({ stage: [{ operand: "input", depth: 0 }] })],
  ["skipped turns", () => ({ skip: true })],
  ["lanes that share a sum", ({ threads }) => ({ threads: [...threads, axis("r0")] })],
  ["uneven pieces", () => ({ grid: [axis("d0", 3)], threads: [], loops: [] })],
  ["broadcasts in half a subgroup", () => ({ broadcast: true, lanes: 4 })],
];

/** As from a file: what is no schedule any more is no legal one. */
function isLegalWith(change: object, { schedule, subject }: ReturnType<typeof sample>): boolean {
  const found = readSchedule(throughJson({ ...schedule, ...change }));
  return found !== undefined && isLegal(found, subject);
}

function changed(found: ReturnType<typeof sample>, change: Change): boolean {
  return isLegalWith(change(found.schedule, found.subject), found);
}

describe("refused on the CPU:", () => {
  test.each([...common, ...wasmOnly])("%s", (_, change) => {
    expect(changed(sample(targets.wasm, convolution), change)).toBe(false);
  });
});

describe("refused on a GPU:", () => {
  test.each([...common, ...wgslOnly])("%s", (_, change) => {
    expect(changed(sample(targets["a software GPU"], convolution), change)).toBe(false);
  });

  test("broadcasts where subgroups have no fixed size", () => {
    const [none, some] = [targets["a software GPU without subgroups"], targets["a software GPU"]];
    const { schedule, subject } = sample(none, convolution);
    const broadcasting = { ...schedule, lanes: 8, broadcast: true };
    expect(isLegal(broadcasting, subject)).toBe(false);
    expect(isLegal(broadcasting, { ...subject, target: some })).toBe(true);
  });
});

test("what overwrites its input computes nothing twice", () => {
  const { schedule, subject } = sample(targets.wasm, parameters);
  const length = subject.kernel.domain[0] ?? 0;
  const uneven = [7, 11, 13, 17, 19].find((step) => length % step !== 0) ?? 0;
  const isFine = (step: number): boolean =>
    isLegalWith({ lanes: 1, vector: undefined, grid: [], loops: [axis("d0", step)] }, { schedule, subject });
  expect(isFine(2)).toBe(length % 2 === 0);
  expect(isFine(uneven)).toBe(false);
});

test("chunks of a chain are the grid, all of it", () => {
  const target = targets.wasm;
  const found = subjectOf(subjectsOf(text, target), inChunks);
  const subject = { ...found, target };
  const schedule = backendFor(target).schedule(found.kernel, found.tensors, target, found.chunks);
  expect(isLegal(schedule, subject)).toBe(true);
  expect(isLegal({ ...schedule, grid: [] }, subject)).toBe(false);
  expect(isLegal({ ...schedule, grid: [...schedule.grid, axis("d1")] }, subject)).toBe(false);
  expect(isLegal(schedule, { ...subject, chunks: 2 * (found.chunks ?? 1) })).toBe(false);
});

const right = { lanes: 1, grid: [], threads: [], loops: [], stage: [], order: "narrowInnermost", broadcast: false };

test.each<[string, unknown]>([
  ["nothing", undefined],
  ["null", null],
  ["a word", "grid d0:1"],
  ["a list", [right]],
  ["no lanes", { ...right, lanes: 0 }],
  ["half a lane", { ...right, lanes: 1.5 }],
  ["a step that is no number", { ...right, grid: [{ axis: "d0", step: "1" }] }],
  ["a step below zero", { ...right, loops: [{ axis: "d0", step: -1 }] }],
  ["an axis without a name", { ...right, threads: [{ axis: 0, step: 1 }] }],
  ["a hole in a list", { ...right, loops: [null] }],
  ["no list of loops", { ...right, loops: {} }],
  ["a stage without a depth", { ...right, stage: [{ operand: "input" }] }],
  ["an order that is not known", { ...right, order: "random" }],
])("%s is no schedule", (_, value) => {
  expect(readSchedule(right)).toEqual(right);
  expect(readSchedule(value)).toBeUndefined();
});

test("a compilation leaves out what is illegal and for other kernels, and says what it uses", () => {
  const { program } = checkText(text, "legal.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error("the program has errors");
  const target = targets["a software GPU"];
  const options = { counts: { train: 8, test: 8 }, target, programs: ["trainStep"] } as const;
  const subjects = subjectsOf(text, target);
  const candidates = (subject: TuningSubject): readonly Schedule[] =>
    backendFor(target).candidates(subject.kernel, subject.tensors, target, subject.chunks);
  const [good, bad] = subjects.filter((subject) => candidates(subject).length > 1);
  const [, second] = good ? candidates(good) : [];
  if (!good || !bad || !second) throw new Error("there is nothing to choose from");
  const schedules = new Map([
    [good.key, second],
    [bad.key, { ...second, lanes: 4096 }],
    ["0".repeat(32), second],
  ]);
  const tuned = compile(model, program.recipe, { ...options, schedules });
  expect([...usedSchedules(tuned, schedules)]).toEqual([[good.key, second]]);
  const plain = compile(model, program.recipe, options);
  const onlyBad = compile(model, program.recipe, { ...options, schedules: new Map([...schedules].slice(1)) });
  expect(onlyBad.plan).toEqual(plain.plan);
  expect(tuned.plan).not.toEqual(plain.plan);
});
