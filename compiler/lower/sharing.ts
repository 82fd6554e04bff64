/**
 * Equal kernels are scheduled and lowered once: the layers of a deep network are few kernels, many times.
 *
 * In: inputs of the lowering, and how to do it. Out: its result, or that of an equal one for other tensors. What holds: a
 * shared nest has the name and the header of its own kernel, the body and the names of buffers of the first such kernel;
 * equal bodies are one object, by which printers know them.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { LoweredKernel } from "./lowerKernel.ts";
import type { LoweringInput } from "./lowering.ts";
import { describeTensors, signatureOf } from "./signature.ts";

type Tensors = ReadonlyMap<number, StoredTensor>;

export interface Sharing {
  readonly schedule: (kernel: Kernel, tensors: Tensors, chunks: number | undefined, make: () => Schedule) => Schedule;
  /** `how` tells apart ways to put the same kernels into one nest. */
  readonly lower: (how: string, inputs: readonly LoweringInput[], make: () => LoweredKernel) => LoweredKernel;
}

/** Every kernel for itself: buffers then have the names of its own tensors. */
export const noSharing: Sharing = { schedule: (_, __, ___, make) => make(), lower: (_, __, make) => make() };

interface Template {
  readonly lowered: LoweredKernel;
  /** The tensors of its kernels in the order of the key. */
  readonly tensors: readonly number[];
}

export function createSharing(): Sharing {
  const schedules = new Map<string, Schedule>();
  const templates = new Map<string, Template>();
  return {
    schedule(kernel, tensors, chunks, make) {
      const key = `${chunks ?? ""} ${signatureOf(kernel, tensors).key}`;
      const schedule = schedules.get(key) ?? make();
      schedules.set(key, schedule);
      return schedule;
    },
    lower(how, inputs, make) {
      const { key, tensors } = keyOf(how, inputs);
      const template = templates.get(key);
      const [first] = inputs;
      if (template && first) return instantiate(template, tensors, first);
      const lowered = make();
      templates.set(key, { lowered, tensors });
      return lowered;
    },
  };
}

/** The kernels, which of their tensors are the same, and their schedules. */
function keyOf(how: string, inputs: readonly LoweringInput[]): { key: string; tensors: readonly number[] } {
  const order = new Map<number, number>();
  const parts = inputs.map(({ kernel, schedule, tensors, subgroupSize }) => {
    const signature = signatureOf(kernel, tensors);
    const places = signature.tensors.map((tensor) => {
      const place = order.get(tensor) ?? order.size;
      order.set(tensor, place);
      return place;
    });
    return [signature.key, places.join(), JSON.stringify(schedule), subgroupSize].join("\n");
  });
  const tensors = [...order.keys()];
  const memory = describeTensors(tensors, inputs[0]?.tensors ?? new Map());
  return { key: [how, ...parts, ...memory].join("\n\n"), tensors };
}

function instantiate(
  { lowered, tensors: before }: Template,
  tensors: readonly number[],
  head: { readonly name: string; readonly header: readonly string[] },
): LoweredKernel {
  return {
    nest: { ...lowered.nest, name: head.name, header: head.header },
    tensors: lowered.tensors.map((tensor) => tensors[before.indexOf(tensor)] ?? -1),
  };
}
