/**
 * Flags of V8, which are those of the whole process.
 *
 * In: flags with the versions that have them. Out: nothing. What holds: only flags that the running version has are set, as it
 * complains of others on standard error.
 */
import { setFlagsFromString } from "node:v8";

export interface V8Flag {
  readonly flag: string;
  /** Major versions, inclusive. Node.js 20 has 11, 22 has 12, 24 has 13, 26 has 14. */
  readonly since?: number;
  readonly until?: number;
}

export const v8Version = Number.parseInt(process.versions.v8, 10);

export function isForThisVersion({ since = 0, until = Infinity }: V8Flag): boolean {
  return since <= v8Version && v8Version <= until;
}

export function setV8Flags(flags: readonly V8Flag[]): void {
  for (const { flag } of flags.filter(isForThisVersion)) setFlagsFromString(flag);
}
