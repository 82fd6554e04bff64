/** What differs between targets before printing: costs, splits and default schedules, one entry for each target. */
import type { CostModel } from "../fusion/inline.ts";
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import type { Target } from "../target.ts";
import type { Schedule } from "./schedule.ts";
import { scheduleForWasm, splitForWasm } from "./wasm.ts";

export interface Backend {
  readonly costs: CostModel;
  split(kernel: Kernel, target: Target): readonly number[];
  schedule(kernel: Kernel, tensors: ReadonlyMap<number, StoredTensor>, target: Target): Schedule;
}

const backends: Record<Target["kind"], Backend> = {
  wasm: {
    costs: { read: 1, write: 1, operation: 0.15, transcendental: 4, kernel: 2000 },
    split: splitForWasm,
    schedule: scheduleForWasm,
  },
  wgsl: {
    costs: { read: 1, write: 1, operation: 0.05, transcendental: 1, kernel: 8000 },
    split: splitForWasm,
    schedule: scheduleForWasm,
  },
};

export function backendFor(target: Target): Backend {
  return backends[target.kind];
}
