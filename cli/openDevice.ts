/**
 * The device that `--device` and `--threads` ask for.
 *
 * In: the options. Out: an open device, or how to start again to find one. Throws a `UserError` where they contradict one another.
 */
import { chooseDevice, type DeviceChoice } from "../runtime/device/chooseDevice.ts";
import type { RunFlags } from "./options.ts";
import { UserError } from "./userError.ts";

export function openDevice({ device, threads }: Pick<RunFlags, "device" | "threads">): Promise<DeviceChoice> {
  if (threads !== undefined && device === "gpu")
    throw new UserError("--threads is for the CPU device", "Leave it out, or take --device cpu.");
  return chooseDevice(device, threads === undefined ? {} : { threads });
}
