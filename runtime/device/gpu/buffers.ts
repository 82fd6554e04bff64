/**
 * Buffers of a plan on a device: created with zeros, written and read.
 */
import type { PlanBuffer } from "../../../compiler/plan/plan.ts";
import { mebibytes } from "./adapter.ts";
import { bufferUsage, mapModeRead } from "./dawn.ts";
import { guarded } from "./failure.ts";
import { GpuError } from "./gpuError.ts";
import { waitQuietly } from "./quietWait.ts";

/** One `writeBuffer` copies through memory of the same size. */
const largestWrite = 16 * 1024 * 1024;

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

export async function createBuffers(device: GPUDevice, planned: readonly PlanBuffer[]): Promise<GPUBuffer[]> {
  const usage = bufferUsage.storage | bufferUsage.copySource | bufferUsage.copyDestination;
  const buffers: GPUBuffer[] = [];
  for (const { name, bytes } of planned) {
    const size = Math.max(16, roundUp(bytes, 16));
    const what = `the buffer "${name}" (${mebibytes(bytes)})`;
    buffers.push(await guarded(device, what, () => device.createBuffer({ label: name, size, usage })));
  }
  return buffers;
}

/** WebGPU writes words: only what ends a buffer may end within one. */
export function checkWrite(buffer: GPUBuffer, offset: number, length: number, bytes: number): void {
  const end = offset + length;
  const whole = offset % 4 === 0 && (end % 4 === 0 || end === bytes) && end <= buffer.size;
  if (!whole)
    throw new GpuError(
      "refused",
      `bytes ${offset} to ${end} of "${buffer.label}" (${bytes} bytes) are not whole words`,
      "This is a fault of cnnc: please report it with the program that caused it.",
    );
}

export function writeBytes(device: GPUDevice, buffer: GPUBuffer, offset: number, bytes: Uint8Array): void {
  for (let start = 0; start < bytes.byteLength; start += largestWrite) {
    const part = bytes.subarray(start, start + largestWrite);
    const padded = part.byteLength % 4 === 0 ? part : padToWord(part);
    device.queue.writeBuffer(buffer, offset + start, padded.buffer, padded.byteOffset, padded.byteLength);
  }
}

function padToWord(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(roundUp(bytes.byteLength, 4));
  padded.set(bytes);
  return padded;
}

export async function readBytes(
  device: GPUDevice,
  buffer: GPUBuffer,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const start = offset - (offset % 4);
  const size = roundUp(offset + length - start, 4);
  if (size === 0) return new Uint8Array(0);
  const staging = await guarded(device, `reading ${mebibytes(size)}`, () => {
    const usage = bufferUsage.mapRead | bufferUsage.copyDestination;
    const created = device.createBuffer({ label: "read", size, usage });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, start, created, 0, size);
    device.queue.submit([encoder.finish()]);
    return created;
  });
  await waitQuietly(staging.mapAsync(mapModeRead));
  const bytes = new Uint8Array(staging.getMappedRange().slice(offset - start, offset - start + length));
  staging.destroy();
  return bytes;
}
