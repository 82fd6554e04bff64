/**
 * The caller's own thread as the only one of a device: all that there is where memory cannot be shared.
 *
 * In: commands, as for other threads. Out: replies. What holds: dispatches and their chunks are walked in order, so results
 * are those of any number of threads; after some milliseconds whatever else waits in this thread has its turn, between two
 * chunks of whatever run.
 */
import { nextTurn } from "../../nextTurn.ts";
import { control, DispatchField } from "./driver.ts";
import type { Command, StartThread } from "./thread.ts";
import { webAssembly } from "./webAssembly.ts";

/** Half of a frame at 60 Hz, so that a page stays smooth. */
const sliceMilliseconds = 8;

type Kernel = (workgroup: number, bindings: number, scratch: number) => void;

interface Opened {
  readonly words: Int32Array;
  readonly kernels: readonly Kernel[];
  readonly scratch: number;
}

function instantiate({ memory, modules, tableLength, scratch }: Extract<Command, { kind: "open" }>): Opened {
  const table = new webAssembly.Table({ element: "anyfunc", initial: tableLength });
  for (const module of modules) new webAssembly.Instance(module, { env: { memory, kernels: table } });
  const kernels = Array.from({ length: tableLength }, (_, place) => table.get(place) as Kernel);
  return { words: new Int32Array(memory.buffer), kernels, scratch };
}

/** The address of the current dispatch: the ticket's upper half. */
const current = control.ticket / 4 + 1;
const steps = control.steps / 4;

/** Runs the program whose first dispatch is the current one, as often as `steps` says, and stops after each chunk. */
function* chunks({ words, kernels, scratch }: Opened): Generator<void> {
  const field = (name: keyof typeof DispatchField): number =>
    words[((words[current] ?? 0) + DispatchField[name]) / 4] ?? 0;
  while (words[current] !== 0) {
    const [bindings, workgroups, chunkSize] = [field("bindings"), field("workgroups"), field("chunkSize")];
    const kernel = kernels[field("kernel")] as Kernel;
    for (let workgroup = 0; workgroup < workgroups;) {
      const end = Math.min(workgroup + chunkSize, workgroups);
      while (workgroup < end) kernel(workgroup++, bindings, scratch);
      yield;
    }
    const next = field("next");
    if (next !== 0) words[current] = next;
    else {
      const left = (words[steps] ?? 0) - 1;
      words[steps] = left;
      words[current] = left > 0 ? field("first") : 0;
    }
  }
}

export const startCallingThread: StartThread = (_, { receive }) => {
  const sessions = new Map<number, Opened>();
  let sliceEnd = 0;
  let isEnded = false;
  const run = async (session: number): Promise<void> => {
    const opened = sessions.get(session);
    if (!opened) return;
    for (const _ of chunks(opened)) {
      if (performance.now() < sliceEnd) continue;
      await nextTurn();
      // Nobody waits any more.
      if (isEnded) return;
      sliceEnd = performance.now() + sliceMilliseconds;
    }
    receive({ kind: "finished", session });
  };
  const obey = async (command: Command): Promise<void> => {
    const { kind, session } = command;
    if (kind === "run") return run(session);
    if (kind === "open") sessions.set(session, instantiate(command));
    else sessions.delete(session);
    receive({ kind: kind === "open" ? "opened" : "closed", session });
  };
  return {
    post: (command) =>
      void obey(command).catch((problem: unknown) =>
        receive({
          kind: "failed",
          session: command.session,
          problem: problem instanceof Error ? problem.message : String(problem),
        }),
      ),
    hold: () => {},
    end: async () => void (isEnded = true),
  };
};
