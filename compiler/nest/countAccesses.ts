/** How many loads and stores stand in a nest's text, and how much arithmetic: what the time to compile it grows with. */
import { type Index, termsKey } from "./integer.ts";
import type { Expression, Scratch, Statement } from "./loopNest.ts";
import { mapAccesses } from "./mapAccesses.ts";

/** Elements of one aligned quad count once; memory of the lane, where nobody tests addresses, does not count. */
export function countAccesses(body: readonly Statement[], scratch: readonly Scratch[]): number {
  const places = new Set<string>();
  const own = new Set(scratch.flatMap(({ name, perLane }) => (perLane ? [name] : [])));
  mapAccesses(body, (buffer: string, index: Index) => {
    const aligned = index.terms.every(({ factor }) => factor % 4 === 0);
    const place = aligned ? Math.floor(index.constant / 4) : index.constant;
    if (!own.has(buffer)) places.add(`${buffer} ${termsKey(index)} ${place}`);
    return { buffer, index };
  });
  return places.size;
}

function operationsOf(of: Expression): number {
  switch (of.kind) {
    case "unary":
      return 1 + operationsOf(of.operand);
    case "binary":
      return 1 + operationsOf(of.left) + operationsOf(of.right);
    case "multiplyAdd":
      return 2 + operationsOf(of.a) + operationsOf(of.b) + operationsOf(of.c);
    case "select":
      return 2 + operationsOf(of.then) + operationsOf(of.otherwise);
    default:
      return 0;
  }
}

/** The accesses of straight-line statements, and their arithmetic operations with those of each access. */
export function countWork(
  body: readonly Statement[],
  scratch: readonly Scratch[],
): { accesses: number; operations: number } {
  const accesses = countAccesses(body, scratch);
  let operations = accesses * 4;
  for (const statement of body) {
    if (statement.kind === "let" || statement.kind === "assign" || statement.kind === "store")
      operations += operationsOf(statement.value);
    else if (statement.kind === "letIndex") operations += 3;
  }
  return { accesses, operations };
}
