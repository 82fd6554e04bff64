import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** Files that do more in the slow suite, where `isSlow` of test/support/slow.ts is true. */
const slow = ["test/language/robustness.test.ts", "test/language/format.test.ts", "test/compiler/zooTraining.test.ts"];

/** Vitest leaves one core to itself; of two, that would be half. */
const maxWorkers = Math.max(2, availableParallelism() - 1);

/** Long enough for an old processor whose driver compiles every kernel. */
const testTimeout = 300_000;

export default defineConfig(({ mode }) => ({
  test:
    mode === "slow"
      ? { include: slow, env: { CNNC_SLOW: "1" }, testTimeout: 3_600_000, maxWorkers }
      : { include: ["test/**/*.test.ts"], testTimeout, hookTimeout: testTimeout, maxWorkers },
}));
