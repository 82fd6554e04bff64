/** The threads of a CPU device keep the process alive while they, or what they need, are waited for; and only then. */
import { expect, test } from "vitest";
import { startThreads } from "../../runtime/device/cpu/pool.ts";
import type { Reply, StartThread } from "../../runtime/device/cpu/thread.ts";

function startTwo() {
  const held = [false, false];
  const receivers: ((reply: Reply) => void)[] = [];
  const start: StartThread = (thread, { receive }) => {
    receivers.push(receive);
    return {
      post: () => {},
      hold: (isAwaited) => void (held[thread] = isAwaited),
      end: async () => {},
    };
  };
  return { pool: startThreads(2, start), held, receivers };
}

test("while a promise is waited for, whether it is kept or broken", async () => {
  const { pool, held } = startTwo();
  let settle: { resolve: (value: number) => void; reject: (problem: Error) => void } | undefined;
  const open = (): Promise<number> => new Promise((resolve, reject) => (settle = { resolve, reject }));
  expect(held).toEqual([false, false]);
  const kept = pool.awake(open());
  expect(held).toEqual([true, true]);
  settle?.resolve(5);
  expect(await kept).toBe(5);
  expect(held).toEqual([false, false]);
  const broken = pool.awake(open());
  settle?.reject(new Error("no"));
  await expect(broken).rejects.toThrow("no");
  expect(held).toEqual([false, false]);
});

test("until the last of several reasons is gone", async () => {
  const { pool, held, receivers } = startTwo();
  const done = pool.request(1, "finished", 1, () => ({ kind: "run", session: 1 }));
  const other = pool.awake(Promise.resolve());
  await other;
  expect(held).toEqual([true, true]);
  receivers[1]?.({ kind: "finished", session: 1 });
  await done;
  expect(held).toEqual([false, false]);
});
