/**
 * A thread of the CPU device, whoever runs it: what it is told and what it answers.
 */
import type { WasmMemory, WasmModuleObject } from "./webAssembly.ts";

export type Command =
  | {
      readonly kind: "open";
      readonly session: number;
      readonly memory: WasmMemory;
      readonly modules: readonly WasmModuleObject[];
      readonly tableLength: number;
      /** For threads that share the memory. */
      readonly driver: WasmModuleObject | undefined;
      /** Address of this thread's scratch memory. */
      readonly scratch: number;
    }
  | { readonly kind: "run" | "close"; readonly session: number };

export type Reply =
  | { readonly kind: "opened" | "closed" | "finished"; readonly session: number }
  | { readonly kind: "failed"; readonly session: number; readonly problem: string };

export interface ThreadEvents {
  readonly receive: (reply: Reply) => void;
  /** The thread is dead, or not fit for anything more. */
  readonly fail: (problem: string, remedy?: string) => void;
}

export interface Thread {
  post(command: Command): void;
  /** Whether somebody waits for it, which keeps a process alive. */
  hold(isAwaited: boolean): void;
  end(): Promise<void>;
}

/** Where threads come from: Node.js, a browser, the caller itself. `thread` is its number. */
export type StartThread = (thread: number, events: ThreadEvents) => Thread;
