/** How many images each data set has: for compiling without loading it. */
import type { DataCounts } from "../compiler/model/lowerModel.ts";
import type { DataName } from "../language/index.ts";

export const dataCounts: Record<DataName, DataCounts> = {
  cifar10: { train: 50_000, test: 10_000 },
  shapes: { train: 10_000, test: 2_000 },
};
