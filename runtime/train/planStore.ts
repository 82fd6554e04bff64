/**
 * Plans of earlier runs: who starts the same training again does not wait for the compiler.
 *
 * In: what a compilation depends on, and the build of the compiler. Out: the plan that the same compiler made of the same,
 * if there is one. What holds: any difference in the program, the device's target, the schedules or the compiler is another
 * plan; a file that is damaged, or cannot be written, is as good as none.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { deserialize, serialize } from "node:v8";
import { constants, gunzip, gzip } from "node:zlib";
import type { ProgramName } from "../../compiler/model/lowerModel.ts";
import type { RunnablePlan } from "../../compiler/plan/plan.ts";
import type { Schedule } from "../../compiler/schedule/schedule.ts";
import type { Target } from "../../compiler/target.ts";
import type { CheckedModel, TrainingRecipe } from "../../language/checkedProgram.ts";
import { writeAtomically } from "../files/atomic.ts";
import { makeFolder } from "../files/makeFolder.ts";

/** All that a plan depends on besides the compiler. */
export interface PlanInputs {
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
  readonly counts: { readonly train: number; readonly test: number };
  readonly target: Target;
  readonly fuse: boolean;
  readonly schedules: ReadonlyMap<string, Schedule>;
  readonly programs: readonly ProgramName[];
}

export interface KeptPlan {
  readonly plan: RunnablePlan;
  /** Those of the given schedules that it uses. */
  readonly used: ReadonlyMap<string, Schedule>;
}

export interface PlanStore {
  readonly find: (inputs: PlanInputs) => Promise<KeptPlan | undefined>;
  readonly keep: (inputs: PlanInputs, kept: KeptPlan) => Promise<void>;
}

/** Plans in the folder; the oldest ones make room for others. */
const mostPlans = 48;
const suffix = ".plan.gz";

const compress = promisify(gzip);
const expand = promisify(gunzip);

export function openPlanStore(folder: string, build: string): PlanStore {
  const pathOf = (inputs: PlanInputs): string => {
    const whole = JSON.stringify([build, process.version, inputs], plain);
    return join(folder, `${createHash("sha256").update(whole).digest("hex").slice(0, 32)}${suffix}`);
  };
  return {
    async find(inputs) {
      const path = pathOf(inputs);
      try {
        // The checksum of gzip finds damage.
        const kept = deserialize(await expand(await readFile(path))) as KeptPlan;
        const now = new Date();
        await utimes(path, now, now);
        return kept;
      } catch {
        return undefined;
      }
    },
    async keep(inputs, kept) {
      try {
        const bytes = await compress(serialize(withoutPeoplesParts(kept)), { level: constants.Z_BEST_SPEED });
        await makeFolder(folder);
        await writeAtomically(pathOf(inputs), bytes);
        await removeOldest(folder);
      } catch {
        // The next run compiles again.
      }
    },
  };
}

/** What JSON has no form for. (The engine's own form, `serialize`, writes equal numbers in several ways.) */
function plain(_: string, value: unknown): unknown {
  if (value instanceof Map) return [...value];
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** What only people read would have to be made for it, and is long. */
function withoutPeoplesParts({ plan, used }: KeptPlan): KeptPlan {
  const kernels = plan.kernels.map((kernel) => {
    const { name, bindings, workgroups, features } = kernel;
    return { name, bindings, workgroups, features, source: plan.target === "wgsl" ? kernel.source : "" };
  });
  return { plan: { ...plan, kernels }, used };
}

async function removeOldest(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(suffix));
  if (names.length <= mostPlans) return;
  const dated = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      return { path, time: (await stat(path)).mtimeMs };
    }),
  );
  const oldest = dated.toSorted((a, b) => a.time - b.time).slice(0, names.length - mostPlans);
  for (const { path } of oldest) await rm(path, { force: true });
}
