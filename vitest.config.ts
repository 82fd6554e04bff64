import { defineConfig } from "vitest/config";

/** Files that do more in the slow suite, where `isSlow` of test/support/slow.ts is true. */
const slow = ["test/language/robustness.test.ts", "test/language/format.test.ts", "test/compiler/zooTraining.test.ts"];

export default defineConfig(({ mode }) => ({
  test:
    mode === "slow"
      ? { include: slow, env: { CNNC_SLOW: "1" }, testTimeout: 3_600_000 }
      : { include: ["test/**/*.test.ts"], testTimeout: 60_000 },
}));
