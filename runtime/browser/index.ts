/**
 * The runtime for browsers as a library: the CPU device and training on it. Programs are checked by `cnnc`.
 */
export type { DataSet, Split } from "../data/dataSet.ts";
export { generateShapes } from "../data/shapes.ts";
export type { CpuDevice, CpuOptions } from "../device/cpu/openDevice.ts";
export { openCpuDevice } from "../device/cpu/webDevice.ts";
export type { Device, DeviceDescription, Session } from "../device/device.ts";
export { RuntimeFailure, type FailureKind } from "../errors.ts";
export type { PlanState } from "../train/planState.ts";
export { openTraining, type Score, type Training, type TrainingOptions } from "./training.ts";
