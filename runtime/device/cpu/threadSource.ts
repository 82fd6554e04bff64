/**
 * What a worker thread does with its commands, as text: a thread is started from it in sources and in a bundle alike.
 *
 * In: `answer`, a function of the text around this one, which sends a `Reply`. Out: the function `obey`, which takes a
 * `Command`. What holds: a thread that fails stops the others before it says so.
 */
import { control, outcome } from "./driver.ts";

export const threadSource = `
const sessions = new Map();

const commands = {
  open({ session, memory, modules, tableLength, driver, scratch }) {
    const env = { memory, kernels: new WebAssembly.Table({ element: "anyfunc", initial: tableLength }) };
    for (const module of modules) new WebAssembly.Instance(module, { env });
    const { run } = new WebAssembly.Instance(driver, { env }).exports;
    sessions.set(session, { memory, run, scratch });
    answer({ kind: "opened", session });
  },
  run({ session }) {
    const { run, scratch } = sessions.get(session);
    if (run(scratch) === ${outcome.finished}) answer({ kind: "finished", session });
  },
  close({ session }) {
    sessions.delete(session);
    answer({ kind: "closed", session });
  },
};

function stop(session) {
  const opened = sessions.get(session);
  if (opened === undefined) return;
  const words = new Int32Array(opened.memory.buffer);
  Atomics.store(words, ${control.stop / 4}, 1);
  Atomics.add(words, ${control.phase / 4}, 1);
  Atomics.notify(words, ${control.phase / 4});
}

function obey(command) {
  const { kind, session } = command;
  try {
    commands[kind](command);
  } catch (problem) {
    stop(session);
    answer({ kind: "failed", session, problem: String(problem?.message ?? problem) });
  }
}
`;
