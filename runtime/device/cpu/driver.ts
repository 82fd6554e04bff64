/**
 * The driver: a WebAssembly function in which each thread runs a whole program, dispatch by dispatch.
 *
 * In: dispatches in memory (`DispatchField`) and a ticket that names the current dispatch and the next chunk of it. Out:
 * 1 in the thread that finished the last chunk of the run, 0 in the others, 2 where the run was stopped.
 *
 * What holds: a thread takes a chunk by adding one to the ticket, which tells it dispatch and chunk at once, so that
 * nobody waits for a thread that sleeps between chunks. The thread that finishes a dispatch's last chunk opens the next
 * dispatch. Those with nothing to do spin for some microseconds, then sleep until the ticket changes. Chunks have fixed
 * boundaries: results do not depend on who takes what.
 */
import {
  access,
  byte,
  type Code,
  createCode,
  encodeModule,
  i32,
  i64,
  op,
  unsigned,
} from "../../../compiler/print/wasm/assembler.ts";
import type { Opcode, ValueType } from "../../../compiler/print/wasm/opcodes.ts";
import { kernelType } from "../../../compiler/print/wasm/printWasm.ts";

/** Addresses of the words that threads share, each in a cache line of its own. */
export const control = {
  /** i64: the address of the current dispatch (0: none) in the upper half, the next chunk's number in the lower. */
  ticket: 1024,
  /** Chunks of the current dispatch that are finished. */
  done: 1152,
  /** Changes with every dispatch; what sleepers wait on. */
  phase: 1280,
  sleepers: 1408,
  /** Not 0: leave at once. */
  stop: 1536,
  /** Times that the program is still to be run, the current one included. */
  steps: 1664,
  end: 1792,
} as const;

/** Byte offsets in a dispatch's entry. */
export const DispatchField = {
  /** Its place in the table. */
  kernel: 0,
  workgroups: 4,
  /** Address of the addresses of its bindings. */
  bindings: 8,
  /** Workgroups of a chunk. */
  chunkSize: 12,
  chunks: 16,
  /** Address of the dispatch after it; 0 at the end of a program. */
  next: 20,
  /** Address of the program's first dispatch. */
  first: 24,
} as const;
export const dispatchBytes = 32;

/** About 20 µs. */
const spins = 20_000;
const sleepNanoseconds = 100_000_000;
const empty = 0x40;

export const outcome = { idle: 0, finished: 1, stopped: 2 } as const;

type Local = "scratch" | "entry" | "chunk" | "workgroup" | "last" | "phase" | "spins" | "ticket";
const locals: readonly ValueType[] = ["i32", "i32", "i32", "i32", "i32", "i32", "i64"];
const localNumber: Readonly<Record<Local, number>> = {
  scratch: 0,
  entry: 1,
  chunk: 2,
  workgroup: 3,
  last: 4,
  phase: 5,
  spins: 6,
  ticket: 7,
};

/** The driver's module: imports `env.memory` and `env.kernels`, exports `run(scratch: i32): i32`. */
export function makeDriver(): Uint8Array {
  const code = createCode();
  printDriver(code);
  return encodeModule(
    {
      sharedMemory: true,
      functions: [{ type: { parameters: ["i32"], results: ["i32"] }, locals, code }],
      table: { from: 0, count: 0 },
      exports: { run: 0 },
    },
    [kernelType],
  );
}

function printDriver(code: Code): void {
  const get = (name: Local): void => op(code, "local.get", localNumber[name]);
  const set = (name: Local): void => op(code, "local.set", localNumber[name]);
  const field = (name: keyof typeof DispatchField): void => {
    get("entry");
    access(code, "i32.load", DispatchField[name]);
  };
  const atomic = (name: Opcode, address: number, push: () => void = () => {}): void => {
    i32(code, address);
    push();
    access(code, name, 0);
  };
  const one = (): void => i32(code, 1);
  const block = (kind: "block" | "loop" | "if", print: () => void): void => {
    op(code, kind);
    byte(code, empty);
    print();
    op(code, "end");
  };
  const leave = (result: number): void => {
    i32(code, result);
    op(code, "return");
  };
  const leaveIfStopped = (): void => {
    atomic("i32.atomic.load", control.stop);
    block("if", () => leave(outcome.stopped));
  };
  /** Splits the i64 on the stack into entry and chunk. */
  const splitTicket = (): void => {
    op(code, "local.tee", localNumber.ticket);
    i64(code, 32);
    op(code, "i64.shr_u");
    op(code, "i32.wrap_i64");
    set("entry");
    get("ticket");
    op(code, "i32.wrap_i64");
    set("chunk");
  };
  const isChunk = (): void => {
    get("chunk");
    field("chunks");
    op(code, "i32.lt_u");
  };
  const leaveIfClosed = (): void => {
    get("entry");
    op(code, "i32.eqz");
    block("if", () => leave(outcome.idle));
  };

  const runChunk = (): void => {
    get("chunk");
    field("chunkSize");
    op(code, "i32.mul");
    op(code, "local.tee", localNumber.workgroup);
    field("chunkSize");
    op(code, "i32.add");
    set("last");
    // The last chunk may be shorter.
    field("workgroups");
    get("last");
    op(code, "i32.lt_u");
    block("if", () => {
      field("workgroups");
      set("last");
    });
    block("loop", () => {
      get("workgroup");
      field("bindings");
      get("scratch");
      field("kernel");
      op(code, "call_indirect", 1, 0);
      get("workgroup");
      one();
      op(code, "i32.add");
      op(code, "local.tee", localNumber.workgroup);
      get("last");
      op(code, "i32.ne");
      op(code, "br_if", 0);
    });
  };

  const openTicket = (pushEntry: () => void): void =>
    atomic("i64.atomic.store", control.ticket, () => {
      pushEntry();
      op(code, "i64.extend_i32_u");
      i64(code, 32);
      op(code, "i64.shl");
    });

  /** Opens the dispatch after this one, or the first one again, or none; `isEnd` is left in `last`. */
  const advance = (): void => {
    atomic("i32.atomic.store", control.done, () => i32(code, 0));
    field("next");
    set("workgroup");
    i32(code, 0);
    set("last");
    get("workgroup");
    op(code, "i32.eqz");
    block("if", () => {
      atomic("i32.atomic.rmw.add", control.steps, () => i32(code, -1));
      one();
      op(code, "i32.eq");
      set("last");
      get("last");
      op(code, "i32.eqz");
      block("if", () => {
        field("first");
        set("workgroup");
      });
    });
    openTicket(() => get("workgroup"));
    atomic("i32.atomic.rmw.add", control.phase, one);
    op(code, "drop");
    atomic("i32.atomic.load", control.sleepers);
    block("if", () => {
      atomic("memory.atomic.notify", control.phase, () => i32(code, -1));
      op(code, "drop");
    });
    get("last");
    block("if", () => leave(outcome.finished));
  };

  /** Spins, then sleeps, until the ticket has a chunk (goes to `claim`) or is closed. */
  const wait = (): void => {
    i32(code, spins);
    set("spins");
    block("loop", () => {
      leaveIfStopped();
      atomic("i64.atomic.load", control.ticket);
      splitTicket();
      leaveIfClosed();
      isChunk();
      op(code, "br_if", 1);
      get("spins");
      i32(code, -1);
      op(code, "i32.add");
      op(code, "local.tee", localNumber.spins);
      op(code, "br_if", 0);
      sleep();
      one();
      set("spins");
      op(code, "br", 0);
    });
  };

  /** Sleeps unless the ticket has changed since the last look: its change comes before that of the phase. */
  const sleep = (): void => {
    atomic("i32.atomic.rmw.add", control.sleepers, one);
    op(code, "drop");
    atomic("i32.atomic.load", control.phase);
    set("phase");
    atomic("i64.atomic.load", control.ticket);
    get("ticket");
    op(code, "i64.eq");
    block("if", () => {
      i32(code, control.phase);
      get("phase");
      i64(code, sleepNanoseconds);
      access(code, "memory.atomic.wait32", 0);
      op(code, "drop");
    });
    atomic("i32.atomic.rmw.add", control.sleepers, () => i32(code, -1));
    op(code, "drop");
  };

  block("loop", () => {
    leaveIfStopped();
    atomic("i64.atomic.rmw.add", control.ticket, () => i64(code, 1));
    splitTicket();
    leaveIfClosed();
    isChunk();
    block("if", () => {
      runChunk();
      atomic("i32.atomic.rmw.add", control.done, one);
      one();
      op(code, "i32.add");
      field("chunks");
      op(code, "i32.eq");
      block("if", advance);
      op(code, "br", 1);
    });
    wait();
  });
  op(code, "i32.const");
  unsigned(code, outcome.idle);
}
