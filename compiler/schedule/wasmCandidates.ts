/**
 * Schedules for WebAssembly that are worth measuring.
 *
 * In: a kernel, its tensors, the engine, the chunks it is cut into. Out: the default schedule first, then what the same rules
 * give without joined vectors, and with other vector axes, register tiles and lengths of bodies. What holds: all of them are different.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import type { WasmEngine } from "../target.ts";
import type { Schedule } from "./schedule.ts";
import { defaultVariant, scheduleForWasm, type WasmVariant } from "./wasm.ts";

/** Of one kernel: each takes a moment to compile and to run. */
export const mostCandidates = 14;

/** In the order in which they tend to be good. */
const variants: readonly Partial<WasmVariant>[] = [
  {},
  { tile: 1 },
  { body: 24, points: 24 },
  { vector: 1 },
  { tile: 2 },
  { body: 72, points: 72 },
  { tile: 4 },
  { imagesOutside: false },
  { vector: 1, body: 24, points: 24 },
  { tile: 7 },
  { vector: 2 },
  { vector: 1, tile: 1 },
  { body: 12, points: 12 },
  { body: 144, points: 96 },
  { tile: 1, body: 24 },
  { tile: 1, body: 72 },
  { vector: 1, body: 72, points: 72 },
  { tile: 12 },
  { vector: 1, imagesOutside: false },
];

export function candidatesForWasm(
  kernel: Kernel,
  tensors: ReadonlyMap<number, StoredTensor>,
  engine: WasmEngine,
  chunks?: number,
): Schedule[] {
  const found = new Map<string, Schedule>();
  const add = (variant: Partial<WasmVariant>, of: WasmEngine): void => {
    const schedule = scheduleForWasm(kernel, tensors, of, chunks, { ...defaultVariant, ...variant });
    const text = JSON.stringify(schedule);
    if (!found.has(text)) found.set(text, schedule);
  };
  const [first = {}, ...others] = variants;
  add(first, engine);
  // What is best without joined vectors may be better than what the model expects of joining.
  if (engine.joinsVectors) add(first, { ...engine, joinsVectors: false });
  for (const variant of others) add(variant, engine);
  return [...found.values()].slice(0, mostCandidates);
}
