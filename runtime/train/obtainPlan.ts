/** The plan of a run: that of an earlier run which was the same, or compiled now. */
import { compileByTurns, usedSchedules } from "../../compiler/compile.ts";
import type { Device } from "../device/device.ts";
import { inTurns, kernelsAModule } from "./inTurns.ts";
import type { KeptPlan, PlanInputs, PlanStore } from "./planStore.ts";

export interface ObtainedPlan extends KeptPlan {
  /** Keeps it for later runs, if it is new: when there is time. */
  readonly keep: () => Promise<void>;
}

/** The device prepares code while the rest is compiled. */
export async function obtainPlan(
  inputs: PlanInputs,
  device: Pick<Device, "prepare">,
  store: PlanStore | undefined,
): Promise<ObtainedPlan> {
  const found = await store?.find(inputs);
  if (found) {
    for (const module of found.plan.wasm?.modules ?? []) device.prepare?.(module);
    return { ...found, keep: async () => {} };
  }
  const { model, recipe, ...options } = inputs;
  const compilation = await inTurns(compileByTurns(model, recipe, { ...options, kernelsAModule }), (part) =>
    device.prepare?.(part),
  );
  const made = { plan: compilation.plan, used: usedSchedules(compilation, inputs.schedules) };
  return { ...made, keep: async () => store?.keep(inputs, made) };
}
