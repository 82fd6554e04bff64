/**
 * The JavaScript engine, set up for a compiler: a program that runs for a second and then hardly at all.
 */
import { setFlagsFromString } from "node:v8";

/**
 * How much of a function runs before V8 optimises it, several times its own choice; and how much it puts into one piece of
 * optimised code, less than its own choice. Optimised early, on what was seen of types until then, much of the compiler is
 * thrown away and optimised again; and on two cores V8's optimiser takes as long as all the rest.
 */
const flags = ["--interrupt-budget=600000", "--max-inlined-bytecode-size-cumulative=100"];

export function prepareForCompiling(): void {
  for (const flag of flags) setFlagsFromString(flag);
}
