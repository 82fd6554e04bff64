/**
 * The one interface of all devices. A device opens a plan as a session; a session holds the plan's buffers (zeroed at
 * the start) and runs its programs. Calls on a session take effect in the order in which they are made.
 */
import type { ExecutionPlan } from "../../compiler/plan/plan.ts";
import type { Target } from "../../compiler/target.ts";

export interface DeviceDescription {
  readonly kind: "gpu" | "cpu";
  /** `AMD Radeon RX 7900 (Vulkan)`, `llvmpipe (LLVM 15.0.6, 256 bits)`, `WebAssembly SIMD on 8 threads`. */
  readonly name: string;
  readonly driver: string;
  readonly software: boolean;
}

export interface Session {
  write(buffer: number, offset: number, bytes: Uint8Array): void;
  read(buffer: number, offset: number, byteLength: number): Promise<Uint8Array>;
  /** Runs a program `times` times, in order; resolves when all of it is done. The thread that calls is left free. */
  run(program: string, times?: number): Promise<void>;
  close(): Promise<void>;
}

export interface Device {
  readonly description: DeviceDescription;
  readonly target: Target;
  open(plan: ExecutionPlan): Promise<Session>;
  close(): Promise<void>;
}
