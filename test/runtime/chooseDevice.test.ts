/** Which device is chosen, and what is said: every case of what a machine has, with devices that only say their name. */
import { beforeEach, expect, test, vi } from "vitest";
import { chooseDevice, type DeviceKind } from "../../runtime/device/chooseDevice.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { GpuError, type GpuErrorCode } from "../../runtime/device/gpu/gpuError.ts";
import { swiftShaderEnvironment } from "../../runtime/device/gpu/swiftShader.ts";

vi.mock("../../runtime/device/cpu/cpuDevice.ts", () => ({ openCpuDevice: vi.fn() }));
vi.mock("../../runtime/device/gpu/gpuDevice.ts", () => ({ openGpuDevice: vi.fn() }));
vi.mock("../../runtime/device/gpu/swiftShader.ts", () => ({ swiftShaderEnvironment: vi.fn() }));

const environment = { LD_LIBRARY_PATH: "/cache", VK_DRIVER_FILES: "/cache/driver.json" };

/** What the machine has: a GPU, one in software, or an error instead of either; SwiftShader from npm or not. */
function machine(gpu: "hardware" | "software" | GpuErrorCode, hasSwiftShader = false): void {
  vi.mocked(openCpuDevice).mockResolvedValue("cpu" as never);
  vi.mocked(openGpuDevice).mockImplementation(async ({ allowSoftware }) => {
    if (gpu === "hardware" || (gpu === "software" && allowSoftware)) return gpu as never;
    const code = gpu === "software" ? "no-adapter" : gpu;
    throw new GpuError(code, `there is only: ${gpu}`, "Install something.");
  });
  vi.mocked(swiftShaderEnvironment).mockResolvedValue(hasSwiftShader ? environment : undefined);
}

beforeEach(() => void vi.clearAllMocks());

test.each([
  ["auto", "hardware", "hardware", "the GPU that WebGPU finds here"],
  ["auto", "software", "cpu", "there is only: software"],
  ["auto", "no-adapter", "cpu", "there is only: no-adapter"],
  ["auto", "no-webgpu", "cpu", "there is only: no-webgpu"],
  ["gpu", "hardware", "hardware", "asked for by --device gpu"],
  ["gpu", "software", "software", "asked for by --device gpu"],
  ["cpu", "hardware", "cpu", "asked for by --device cpu"],
] as const)("--device %s with %s: %s, because %s", async (kind, gpu, device, reason) => {
  machine(gpu, true);
  expect(await chooseDevice(kind, { threads: 3 })).toEqual({ device, reason });
  if (device === "cpu") expect(openCpuDevice).toHaveBeenCalledWith({ threads: 3 });
  else expect(openCpuDevice).not.toHaveBeenCalled();
  // Only who asks for a GPU gets a slow one.
  expect(swiftShaderEnvironment).not.toHaveBeenCalled();
});

test("--device cpu does not touch WebGPU", async () => {
  machine("device-lost");
  await chooseDevice("cpu");
  expect(openGpuDevice).not.toHaveBeenCalled();
});

test("--device gpu without an adapter starts again with SwiftShader, if npm has brought it", async () => {
  machine("no-adapter", true);
  expect(await chooseDevice("gpu")).toEqual({ restartWith: environment });
});

test.each<[DeviceKind, GpuErrorCode, boolean]>([
  ["gpu", "no-adapter", false],
  ["gpu", "no-webgpu", true],
  ["gpu", "device-lost", true],
  ["auto", "device-lost", false],
  ["auto", "refused", false],
])("--device %s with %s: the error, with its remedy", async (kind, code, hasSwiftShader) => {
  machine(code, hasSwiftShader);
  await expect(chooseDevice(kind)).rejects.toMatchObject({ kind: "device", code, remedy: "Install something." });
});
