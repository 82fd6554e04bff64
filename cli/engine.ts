/**
 * The JavaScript engine, set up for a compiler: a program that runs for a second and then hardly at all.
 */
import { setFlagsFromString } from "node:v8";

/**
 * How much of a function runs before V8 optimises it; several times its own choice. Optimised early, on what it has seen of
 * types until then, much of the compiler is thrown away and optimised again: half as long again for a network of twenty layers.
 */
const budget = 600_000;

export function prepareForCompiling(): void {
  setFlagsFromString(`--interrupt-budget=${budget}`);
}
