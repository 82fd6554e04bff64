/**
 * The memory of a session: control words, programs, buffers, each thread's scratch.
 *
 * In: a plan and a number of threads. Out: where everything lies, and the words of the programs' tables. What holds:
 * buffers start at multiples of 256 bytes with slack around them, above the lowest address that kernels accept.
 */
import type { RunnablePlan, PlanDispatch } from "../../../compiler/plan/plan.ts";
import { lowestAddress } from "../../../compiler/print/wasm/printWasm.ts";
import type { Requirement } from "../requirements.ts";
import { CpuError } from "./cpuError.ts";
import { control, dispatchBytes, DispatchField } from "./driver.ts";
import { mostPages, type Placed } from "./memories.ts";
import { pageBytes } from "./webAssembly.ts";

export interface SessionLayout {
  /** Address of each buffer. */
  readonly buffers: readonly number[];
  /** Address of the scratch memory of each thread. */
  readonly scratch: readonly number[];
  /** Address of each program's first dispatch; 0 for an empty program. */
  readonly programs: ReadonlyMap<string, number>;
  /** Addresses of the dispatches of each program as programs of their own. */
  readonly single: ReadonlyMap<string, readonly number[]>;
  /** The kernel of the dispatch at an address. */
  readonly kernels: ReadonlyMap<number, number>;
  /** i32 values by address. */
  readonly words: ReadonlyMap<number, number>;
  readonly bytes: number;
}

const alignment = 256;
/** Kernels may read 60 bytes around a binding. */
const slack = 64;
/** Offsets inside of a binding are signed 32-bit numbers. */
const mostBindingBytes = 2 ** 31;
/** Dispatches of more workgroups are handed out in larger chunks. */
const mostChunks = 1024;

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** `placed`: what lies in memory already. */
export function layOut(plan: RunnablePlan, threads: number, placed?: Placed): SessionLayout {
  const words = new Map<number, number>();
  const kernels = new Map<number, number>();
  let top: number = Math.max(control.end, placed?.end ?? 0);
  const reserve = (bytes: number, align: number): number => {
    const address = roundUp(top, align);
    top = address + bytes;
    return address;
  };
  const all = Object.entries(plan.programs);
  for (const [, dispatches] of all) for (const dispatch of dispatches) checkDispatch(plan, dispatch);
  const tables = all.map(([name, dispatches]) => ({
    name,
    dispatches,
    table: reserve(dispatches.length * dispatchBytes, dispatchBytes),
    single: reserve(dispatches.length * dispatchBytes, dispatchBytes),
    bindings: dispatches.map(({ bindings }) => reserve(4 * bindings.length, 4)),
  }));
  top = Math.max(top, lowestAddress);
  const buffers = plan.buffers.map(({ bytes }, number) => {
    if (number === placed?.buffer) return placed.address;
    const address = roundUp(top + slack, alignment);
    top = address + bytes + slack;
    return address;
  });
  const scratch = Array.from({ length: threads }, () => reserve((plan.wasm?.scratchBytes ?? 0) + slack, alignment));
  for (const { dispatches, table, single, bindings } of tables)
    dispatches.forEach((dispatch, i) => {
      dispatch.bindings.forEach(({ buffer, offset }, b) =>
        words.set((bindings[i] ?? 0) + 4 * b, (buffers[buffer] ?? 0) + offset),
      );
      const workgroups = plan.kernels[dispatch.kernel]?.workgroups ?? 0;
      const place = plan.wasm?.kernels[dispatch.kernel] ?? 0;
      const isLast = i === dispatches.length - 1;
      for (const [address, next, first] of [
        [table + i * dispatchBytes, isLast ? 0 : table + (i + 1) * dispatchBytes, table],
        [single + i * dispatchBytes, 0, single + i * dispatchBytes],
      ] as const) {
        kernels.set(address, dispatch.kernel);
        setEntry(words, address, { kernel: place, workgroups, bindings: bindings[i] ?? 0, next, first });
      }
    });
  return {
    buffers,
    scratch,
    programs: new Map(tables.map(({ name, table, dispatches }) => [name, dispatches.length > 0 ? table : 0])),
    single: new Map(
      tables.map(({ name, single, dispatches }) => [name, dispatches.map((_, i) => single + i * dispatchBytes)]),
    ),
    kernels,
    words,
    bytes: roundUp(top + slack, alignment),
  };
}

/** What a WebAssembly program can address, or the machine has, whichever is less; and what one binding may span. */
export function memoryRequirements(plan: RunnablePlan, threads: number, machineBytes: number): Requirement[] {
  const bindings = Object.values(plan.programs).flatMap((dispatches) => dispatches.flatMap(({ bindings: all }) => all));
  return [
    {
      what: "all tensors on the CPU device",
      bytes: layOut(plan, threads).bytes,
      limit: Math.min(mostPages * pageBytes, machineBytes),
    },
    {
      what: "one tensor on the CPU device",
      bytes: bindings.reduce((most, { bytes }) => Math.max(most, bytes), 0),
      limit: mostBindingBytes,
    },
  ];
}

type Entry = Omit<Record<keyof typeof DispatchField, number>, "chunkSize" | "chunks">;

function setEntry(words: Map<number, number>, address: number, entry: Entry): void {
  const chunkSize = Math.max(1, Math.ceil(entry.workgroups / mostChunks));
  const whole = { ...entry, chunkSize, chunks: Math.ceil(entry.workgroups / chunkSize) };
  for (const field of ["kernel", "workgroups", "bindings", "chunkSize", "chunks", "next", "first"] as const)
    words.set(address + DispatchField[field], whole[field]);
}

const elementBytes = { f32: 4, u32: 4, u8: 1 } as const;

/** A kernel writes where it is told: bindings must lie in their buffers. */
function checkDispatch(plan: RunnablePlan, { kernel: number, bindings }: PlanDispatch): void {
  const refuse = (problem: string): never => {
    throw new CpuError("refused", `the plan is damaged: ${problem}`, "Compile the program again.");
  };
  const kernel = plan.kernels[number];
  if (!kernel) return refuse(`there is no kernel ${number}`);
  if (kernel.workgroups < 1) refuse(`${kernel.name} has no workgroups`);
  if (kernel.bindings.length !== bindings.length) refuse(`${kernel.name} is given ${bindings.length} buffers`);
  kernel.bindings.forEach(({ name, type, length }, i) => {
    const given = bindings[i];
    const bytes = plan.buffers[given?.buffer ?? -1]?.bytes;
    if (!given || bytes === undefined) return refuse(`${kernel.name} has no buffer for ${name}`);
    const end = given.offset + length * elementBytes[type];
    if (given.offset < 0 || end > bytes) refuse(`${name} of ${kernel.name} leaves its buffer`);
  });
}
