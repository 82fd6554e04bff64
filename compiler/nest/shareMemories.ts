/** What memory of the lanes means: each lane has a part of memory that all of them have in common. */
import { add, index, multiply, variable } from "./integer.ts";
import { laneName, type LoopNest } from "./loopNest.ts";
import { mapAccesses } from "./mapAccesses.ts";

/** The nest without memory of the lanes. */
export function shareMemories(nest: LoopNest): LoopNest {
  const own = new Map(nest.scratch.flatMap(({ name, length, perLane }) => (perLane ? [[name, length]] : [])));
  if (own.size === 0) return nest;
  const lane = index(variable(laneName, nest.lanes));
  return {
    ...nest,
    scratch: nest.scratch.map(({ name, length, perLane }) => ({
      name,
      length: perLane ? length * nest.lanes : length,
    })),
    body: mapAccesses(nest.body, (buffer, at) => {
      const length = own.get(buffer);
      return { buffer, index: length === undefined ? at : add(multiply(lane, length), at) };
    }),
  };
}
