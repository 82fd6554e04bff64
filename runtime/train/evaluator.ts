/**
 * Loss and accuracy on the test images, in a session of its own.
 *
 * In: the model, data, device. Out: what a pass over the test images gives for the parameters of a training session. What
 * holds: nothing of it is compiled before the first training step; its compilation gives way to that of training, turn by
 * turn, so that the device goes on meanwhile.
 */
import { InvariantError, size } from "../../compiler/graph/graph.ts";
import type { PlanTensor, RunnablePlan } from "../../compiler/plan/plan.ts";
import type { Schedule } from "../../compiler/schedule/schedule.ts";
import type { CheckedModel } from "../../language/checkedProgram.ts";
import type { DataSet, Split } from "../data/dataSet.ts";
import type { Device, GivenBuffers, Session } from "../device/device.ts";
import { type BurstRunner, createBurstRunner } from "./bursts.ts";
import { checkpointParameters } from "./checkpoint.ts";
import { obtainPlan } from "./obtainPlan.ts";
import { openPlanState, type PlanState } from "./planState.ts";
import type { PlanInputs, PlanStore } from "./planStore.ts";

/** Besides what the plan of training depends on. */
export interface EvaluatorOptions extends Omit<PlanInputs, "programs"> {
  readonly data: DataSet;
  readonly device: Device;
  readonly store: PlanStore | undefined;
  /** Told which of the schedules are used. */
  readonly onSchedules: (used: ReadonlyMap<string, Schedule>) => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

export interface Evaluation {
  readonly testLoss: number;
  readonly testAccuracy: number;
}

export interface Evaluator {
  /** Begins to compile, if that has not begun. */
  prepare(): void;
  /** With the parameters and statistics of `trained`; undefined if stopped before the end. */
  evaluate(trained: PlanState): Promise<Evaluation | undefined>;
  close(): Promise<void>;
}

interface Opened {
  readonly session: Session;
  readonly state: PlanState;
  /** States that training changes and evaluation reads. */
  readonly shared: readonly string[];
  readonly bursts: BurstRunner;
}

export function createEvaluator(options: EvaluatorOptions): Evaluator {
  const { recipe, data } = options;
  let opening: Promise<Opened> | undefined;
  const open = (): Promise<Opened> => (opening ??= openEvaluation(options));
  return {
    // Whoever evaluates hears of a failure.
    prepare: () => void open().catch(() => {}),
    async evaluate(trained) {
      const { state, shared, bursts } = await open();
      for (const name of shared) state.write(name, await trained.read(name));
      restart(state);
      const wanted = Math.ceil(data.test.count / recipe.batch);
      const steps = await bursts.run("evaluateStep", wanted, async () => {});
      return steps < wanted ? undefined : result(state, data.test);
    },
    async close() {
      const opened = await opening?.catch(() => undefined);
      await opened?.session.close();
    },
  };
}

async function result(state: PlanState, { count }: Split): Promise<Evaluation> {
  const [loss, correct] = await Promise.all([state.get("metrics.loss"), state.get("metrics.correct")]);
  return { testLoss: loss / count, testAccuracy: correct / count };
}

/** What batch normalisation has gathered: states of their own, beside the flat parameters. */
function statisticsOf(model: CheckedModel): string[] {
  return checkpointParameters(model).flatMap(({ counted, path }) => (counted ? [] : [path]));
}

async function openEvaluation(options: EvaluatorOptions): Promise<Opened> {
  const { model, recipe, counts, target, fuse, schedules, data, device, store, signal } = options;
  const inputs: PlanInputs = { model, recipe, counts, target, fuse, schedules, programs: ["evaluateStep"] };
  const { plan, used, keep } = await obtainPlan(inputs, device, store);
  await options.onSchedules(used);
  const session = await device.open(plan);
  await keep();
  const state = openPlanState(session, plan);
  upload(state, "test", data.test);
  state.write(
    "test.order",
    Uint32Array.from({ length: counts.test }, (_, i) => i),
  );
  const shared = ["parameters", ...statisticsOf(model)].filter((name) => name in plan.tensors);
  return { session, state, shared, bursts: createBurstRunner(session, signal) };
}

/** Images go into as many tables as the plan has: `train.images`, `train.images.1`, … */
function* tablesOf(
  shapeOf: (table: string) => readonly number[],
  name: string,
  { images }: Split,
): Generator<readonly [table: string, part: Uint8Array]> {
  let done = 0;
  for (let i = 0; done < images.length; i++) {
    const table = i === 0 ? `${name}.images` : `${name}.images.${i}`;
    const part = images.subarray(done, done + size(shapeOf(table)));
    yield [table, part];
    done += part.length;
  }
}

/** Writes images (where they do not lie in their places already) and labels. */
export function upload(state: PlanState, name: string, split: Split): void {
  for (const [table, part] of tablesOf((of) => state.shapeOf(of), name, split)) state.write(table, part);
  state.write(`${name}.labels`, split.labels);
}

/** The images of a split by the buffers of a plan that they will fill as a whole. */
export function imagesByBuffer({ buffers, tensors }: RunnablePlan, name: string, split: Split): GivenBuffers {
  const tensorOf = (table: string): PlanTensor => {
    const found = tensors[table];
    if (!found) throw new InvariantError(`the plan has no state ${table}`);
    return found;
  };
  const tables = [...tablesOf((table) => tensorOf(table).shape, name, split)];
  const placeOf = ([table, part]: (typeof tables)[number]): [number, Uint8Array] => [tensorOf(table).buffer, part];
  return new Map(tables.map(placeOf).filter(([buffer, part]) => buffers[buffer]?.bytes === part.length));
}

/** Sets what a pass over a data set counts to its beginning. */
export function restart(state: PlanState): void {
  state.set("control.batch", 0);
  state.set("metrics.loss", 0);
  state.set("metrics.correct", 0);
}
