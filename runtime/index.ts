/// <reference types="node" preserve="true" />
/**
 * The runtime for Node.js as a library: devices, data sets, training, files, reports.
 */
export { type DataSet, type Split } from "./data/dataSet.ts";
export { loadData } from "./data/loadData.ts";
export { chooseDevice, type DeviceChoice, type DeviceKind, deviceKinds } from "./device/chooseDevice.ts";
export { openCpuDevice } from "./device/cpu/cpuDevice.ts";
export type { Device, DeviceDescription, Session } from "./device/device.ts";
export { openGpuDevice } from "./device/gpu/gpuDevice.ts";
export { RuntimeFailure, type FailureKind } from "./errors.ts";
export { openRunFolder, type RunFolder } from "./files/runFolder.ts";
export { decodeSafetensors, encodeSafetensors } from "./files/safetensors.ts";
export { curvePng } from "./report/curvePng.ts";
export { curveSvg } from "./report/curveSvg.ts";
export { curveText } from "./report/curveText.ts";
export { createProgress, type Progress } from "./report/progress.ts";
export type { EpochRecord } from "./train/epochRecord.ts";
export { train, type TrainingOptions, type TrainingResult } from "./train/trainer.ts";
