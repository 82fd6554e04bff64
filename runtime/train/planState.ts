/**
 * The named states of an open plan: numbers in, numbers out.
 *
 * In: a session and its plan. Out: functions that read and write states by name. What holds: a name that the plan does
 * not have is a fault of ours, not of the user.
 */
import type { RunnablePlan, PlanTensor } from "../../compiler/plan/plan.ts";
import { InvariantError, size } from "../../compiler/graph/graph.ts";
import type { Session } from "../device/device.ts";

export interface PlanState {
  write(name: string, values: Float32Array | Uint32Array | Uint8Array): void;
  /** Sets a state of one element. */
  set(name: string, value: number): void;
  /** All elements of a f32 state. */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
  /** The element of a state of one element. */
  get(name: string): Promise<number>;
  shapeOf(name: string): readonly number[];
}

export function openPlanState(session: Session, plan: RunnablePlan): PlanState {
  const tensor = (name: string): PlanTensor => {
    const found = plan.tensors[name];
    if (!found) throw new InvariantError(`the plan has no state ${name}`);
    return found;
  };
  const write: PlanState["write"] = (name, values) => {
    const { buffer, offset, shape } = tensor(name);
    if (values.length !== size(shape))
      throw new InvariantError(`${name} has ${size(shape)} elements, and ${values.length} were given`);
    session.write(buffer, offset, wholeWords(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)));
  };
  const bytesOf = async (name: string): Promise<ArrayBuffer> => {
    const { buffer, offset, shape } = tensor(name);
    const bytes = await session.read(buffer, offset, 4 * size(shape));
    return new Uint8Array(bytes).buffer;
  };
  return {
    write,
    set: (name, value) => write(name, tensor(name).type === "f32" ? Float32Array.of(value) : Uint32Array.of(value)),
    read: async (name) => new Float32Array(await bytesOf(name)),
    async get(name) {
      const bytes = await bytesOf(name);
      const [value = 0] = tensor(name).type === "f32" ? new Float32Array(bytes) : new Uint32Array(bytes);
      return value;
    },
    shapeOf: (name) => tensor(name).shape,
  };
}

/** Devices take whole words; states end at multiples of 256 bytes, so there is room for the zeros. */
function wholeWords(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}
