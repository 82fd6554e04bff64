/** How many loads and stores stand in a nest's text: what the time to compile it grows with. */
import type { Index } from "./integer.ts";
import type { LoopNest } from "./loopNest.ts";
import { mapAccesses } from "./mapAccesses.ts";

/** Elements of one aligned quad count once. */
export function countAccesses(nest: LoopNest): number {
  const places = new Set<string>();
  mapAccesses(nest.body, (buffer: string, index: Index) => {
    const aligned = index.terms.every(({ factor }) => factor % 4 === 0);
    const place = aligned ? Math.floor(index.constant / 4) : index.constant;
    places.add(`${buffer} ${index.terms.map(({ factor, key }) => `${factor}*${key}`).join("+")} ${place}`);
    return { buffer, index };
  });
  return places.size;
}
