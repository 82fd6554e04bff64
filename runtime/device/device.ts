/**
 * The one interface of all devices. A device opens a plan as a session; a session holds the plan's buffers (zeroed at
 * the start) and runs its programs. Calls on a session take effect in the order in which they are made.
 */
import type { PlanPart, RunnablePlan } from "../../compiler/plan/plan.ts";
import type { Target } from "../../compiler/target.ts";
import type { RoomFor } from "../room.ts";
import type { Requirement } from "./requirements.ts";

export interface DeviceDescription {
  readonly kind: "gpu" | "cpu";
  /** `AMD Radeon RX 7900 (Vulkan)`, `llvmpipe (LLVM 15.0.6, 256 bits)`, `WebAssembly SIMD on 8 threads`. */
  readonly name: string;
  readonly driver: string;
  readonly software: boolean;
}

/** By their numbers, what buffers of a plan will be given, where it lies. */
export type GivenBuffers = ReadonlyMap<number, Uint8Array>;

/** What one dispatch of a program took on the device. */
export interface KernelTime {
  /** Index in the plan's kernels. */
  readonly kernel: number;
  readonly milliseconds: number;
}

export interface Session {
  /** What lies in the device's own room and was told to `open` is in its place already: nothing is copied. */
  write(buffer: number, offset: number, bytes: Uint8Array): void;
  read(buffer: number, offset: number, byteLength: number): Promise<Uint8Array>;
  /** Runs a program `times` times, in order; resolves when all of it is done. The calling thread is left free, or has its turns. */
  run(program: string, times?: number): Promise<void>;
  /**
   * Times every dispatch of a program by itself, by the device's own clock; undefined where it has none. `times` is for
   * devices whose clock takes a while to read: each dispatch runs so often, and its mean counts. Changes the buffers.
   */
  profile(program: string, times?: number): Promise<readonly KernelTime[] | undefined>;
  close(): Promise<void>;
}

export interface Device {
  readonly description: DeviceDescription;
  readonly target: Target;
  /** What the plan needs of the device's memory, whether the device has it or not: the same list for every plan. */
  requirements(plan: RunnablePlan): readonly Requirement[];
  /** Room for what the session that is opened next will be given. */
  readonly roomFor?: RoomFor;
  /** Begins to compile a part of a plan that is still being made; `open` goes on from there. */
  prepare?(part: PlanPart): void;
  /** `given`: what will be written to whole buffers. Rejects with a `RuntimeFailure` where a requirement is not met. */
  open(plan: RunnablePlan, given?: GivenBuffers): Promise<Session>;
  close(): Promise<void>;
}
