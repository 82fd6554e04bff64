/** What a training leaves in memory, to be compared bit by bit. */
import type { RunnablePlan } from "../../compiler/plan/plan.ts";
import type { CpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";

/** All buffers after two steps, the pictures being zeros. */
export async function afterTwoSteps(device: CpuDevice, plan: RunnablePlan): Promise<Buffer> {
  const session = await device.open(plan);
  await session.run("initialise");
  await session.run("trainStep", 2);
  const all = await Promise.all(plan.buffers.map(({ bytes }, buffer) => session.read(buffer, 0, bytes)));
  await session.close();
  return Buffer.concat(all);
}
