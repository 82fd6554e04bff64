/**
 * What a command may use of the process: streams, colours, its folder. Tests give their own.
 */
import { ansiPalette, type Palette, plainPalette } from "../language/palette.ts";

export interface CommandContext {
  /** Results. */
  readonly out: NodeJS.WriteStream;
  /** Messages. */
  readonly err: NodeJS.WriteStream;
  readonly environment: NodeJS.ProcessEnv;
  /** The arguments as the user gave them, without node and script. */
  readonly arguments: readonly string[];
}

/** What a command does; the number is the exit code. */
export type Perform = (context: CommandContext) => Promise<number>;

/** Exit codes, the same for all commands. */
export const exitCode = {
  fine: 0,
  /** The user's program has errors. */
  program: 1,
  usage: 2,
  /** Device, data, files or training failed. */
  failure: 3,
  /** A fault of cnnc (EX_SOFTWARE of sysexits.h). */
  bug: 70,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const;

/** Colours where there is a terminal, unless NO_COLOR (https://no-color.org) says otherwise; FORCE_COLOR has them always. */
export function paletteFor(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): Palette {
  if (environment["NO_COLOR"]) return plainPalette;
  const forced = environment["FORCE_COLOR"];
  if (forced !== undefined && forced !== "0") return ansiPalette;
  return stream.isTTY && environment["TERM"] !== "dumb" ? ansiPalette : plainPalette;
}
