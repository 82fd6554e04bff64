/**
 * Splitting a reduction in two stages: parts of it in parallel, then their sum. It gives a kernel with few outputs
 * enough independent pieces; the parts are fixed, so the result does not depend on who computes them.
 */
import { divide, type Index, index } from "../nest/integer.ts";
import type { Kernel, StoredTensor } from "./kernel.ts";
import { add, multiply } from "../nest/integer.ts";

/**
 * Cuts reduction axis i into `parts[i]` parts (a divisor of its extent; 1 leaves it whole). Returns the two kernels and
 * the tensors between them, `[parts…, domain…]`.
 */
export function splitReduction(
  kernel: Kernel,
  parts: readonly number[],
  freshTensor: () => number,
): { first: Kernel; second: Kernel; partials: StoredTensor[] } {
  const cut = parts.flatMap((count, axis) => (count > 1 ? [{ axis, count }] : []));
  const counts = cut.map(({ count }) => count);
  const shape = [...counts, ...kernel.domain];
  const partials = kernel.accumulators.map((_, i): StoredTensor => ({
    id: freshTensor(),
    label: `partial${kernel.accumulators.length > 1 ? i : ""}`,
    shape,
    type: "f32",
    storage: { kind: "temporary" },
  }));
  const first: Kernel = {
    ...kernel,
    inPlace: false,
    domain: shape,
    extents: kernel.extents.map((extent, axis) => divide(extent, parts[axis] ?? 1).constant),
    accumulators: kernel.accumulators.map(({ operator, body }) => ({
      operator,
      body: (coordinates, along) => {
        const whole = [...along];
        cut.forEach(({ axis, count }, i) => {
          const length = (kernel.extents[axis] ?? 1) / count;
          const start: Index = multiply(coordinates[i] ?? 0, length);
          whole[axis] = add(start, along[axis] ?? index(0));
        });
        return body(coordinates.slice(cut.length), whole);
      },
    })),
    outputs: partials.map((partial, i) => ({
      tensor: partial.id,
      value: (_, results) => results[i] ?? { kind: "constant", value: 0 },
    })),
  };
  const second: Kernel = {
    ...kernel,
    extents: counts,
    accumulators: kernel.accumulators.map(({ operator }, i) => ({
      operator,
      body: (coordinates, along) => ({
        kind: "access",
        tensor: partials[i]?.id ?? -1,
        coordinates: [...along, ...coordinates],
      }),
    })),
  };
  return { first, second, partials };
}
