/**
 * The JavaScript engine, set up for a compiler: a program that runs for a second and then hardly at all.
 */
import { setV8Flags, type V8Flag } from "../runtime/v8Flags.ts";

/**
 * How much of a function runs before V8 optimises it, several times its own choice (later versions have another flag, which gains
 * nothing); and how much it puts into one piece of optimised code, less than its own choice. Optimised early, on what was seen of types
 * until then, much of the compiler is thrown away and optimised again; and on two cores V8's optimiser takes as long as all the rest.
 */
const flags: readonly V8Flag[] = [
  { flag: "--interrupt-budget=300000", until: 11 },
  { flag: "--max-inlined-bytecode-size-cumulative=100" },
];

export function prepareForCompiling(): void {
  setV8Flags(flags);
}
