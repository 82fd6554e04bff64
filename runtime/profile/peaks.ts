/**
 * What a device can do: its multiply-adds a second and its bandwidth, measured with kernels of our own.
 *
 * In: an open device. Out: the best of several candidates each, and which it was. What holds: each candidate runs until its
 * time is known; the best run counts, since whatever disturbs a measurement makes it slower.
 */
import { calibrationFor, type CalibrationProgram } from "../../compiler/calibration/calibration.ts";
import type { Device, Session } from "../device/device.ts";

export interface Measured {
  /** 10⁹ operations or bytes a second. */
  readonly rate: number;
  /** The candidate that reached it: `12 accumulators, 4 steps a turn`. */
  readonly shape: string;
}

export interface Peaks {
  /** GFLOP/s; a multiply-add counts two. */
  readonly multiplyAdds: Measured;
  /** GB/s, read and written, of a copy that no cache holds, and of one that most caches hold. */
  readonly memory: Measured;
  readonly cache: Measured;
}

/** Runs of each candidate; the first one compiles and fills caches. */
const rounds = 4;
/** Milliseconds of runs in a row. */
const inARow = 50;

export async function measurePeaks(device: Device): Promise<Peaks> {
  const { plan, programs, inputs } = calibrationFor(device.target);
  const session = await device.open(plan);
  try {
    for (const { buffer, length } of inputs)
      session.write(buffer, 0, new Uint8Array(new Float32Array(length).fill(1).buffer));
    const best = new Map<CalibrationProgram["kind"], Measured>();
    for (const { program, kind, shape, amount } of programs) {
      const rate = amount / 1e6 / (await shortestTime(session, program));
      if (rate > (best.get(kind)?.rate ?? 0)) best.set(kind, { rate, shape });
    }
    const found = (kind: CalibrationProgram["kind"]): Measured => best.get(kind) ?? { rate: 0, shape: "" };
    return { multiplyAdds: found("multiplyAdd"), memory: found("memory"), cache: found("cache") };
  } finally {
    await session.close();
  }
}

/** The better of two measurements, one by one. */
export function bestOf(a: Peaks, b: Peaks): Peaks {
  const better = (of: keyof Peaks): Measured => (a[of].rate >= b[of].rate ? a[of] : b[of]);
  return { multiplyAdds: better("multiplyAdds"), memory: better("memory"), cache: better("cache") };
}

/**
 * Milliseconds of a program's one dispatch: by the device's clock where it has one, and by ours over many runs. Who waits for
 * the device's clock keeps a core busy, which a software adapter then lacks; runs in a row are slept through.
 */
async function shortestTime(session: Session, program: string): Promise<number> {
  await session.run(program);
  let shortest = await elapsed(session, program, 2);
  for (let round = 0; round < rounds; round++) {
    const [time] = (await session.profile(program, 1)) ?? [];
    const runs = Math.max(2, Math.ceil(inARow / shortest));
    shortest = Math.min(shortest, time?.milliseconds ?? Infinity, await elapsed(session, program, runs));
  }
  return shortest;
}

async function elapsed(session: Session, program: string, runs: number): Promise<number> {
  const before = performance.now();
  await session.run(program, runs);
  return (performance.now() - before) / runs;
}
