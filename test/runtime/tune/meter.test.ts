/** Progress of tuning, on a terminal and elsewhere. */
import { afterEach, expect, test, vi } from "vitest";
import { tuneMeter } from "../../../runtime/tune/meter.ts";
import { screen } from "../report/screen.ts";

afterEach(() => void vi.useRealTimers());

const measuring = (done: number, share: number, next: string) =>
  ({ stage: "measuring", done, total: 47, share, next, end: performance.now() + 42_400 }) as const;

test("elsewhere: a line for each stage and each kernel", () => {
  const { stream, text } = screen();
  const meter = tuneMeter(stream);
  meter.show({ stage: "opening" });
  meter.show(measuring(2, 0.5789, "conv2 (line 5)"));
  meter.show({ stage: "comparing" });
  meter.stop();
  expect(text()).toBe(
    "tuning: compiling a step, kernel by kernel\n" +
      "tuning 3/47: 57 % of a step, 0:42 left: conv2 (line 5)\n" +
      "tuning: comparing whole steps\n",
  );
});

test("a terminal: a bar for the part of a step that is done; the time left counts down by itself", () => {
  vi.useFakeTimers();
  const { stream, text } = screen(120);
  const meter = tuneMeter(stream);
  meter.show({ stage: "opening" });
  vi.advanceTimersByTime(300);
  expect(text()).toContain(`tuning ${"░".repeat(30)} compiling a step, kernel by kernel`);
  meter.show(measuring(2, 0.5, "conv2 (line 5)"));
  vi.advanceTimersByTime(300);
  expect(text()).toContain(`tuning ${"█".repeat(15)}${"░".repeat(15)} 50 % of a step, 0:42 left: conv2 (line 5)`);
  vi.advanceTimersByTime(5000);
  expect(text()).toMatch(/50 % of a step, 0:3[78] left: conv2 \(line 5\)/);
  meter.stop();
  // What hid the cursor shows it again, and nothing is drawn any more.
  expect(text().split("\u001b[?25l")).toHaveLength(text().split("\u001b[?25h").length);
  const before = text();
  vi.advanceTimersByTime(5000);
  expect(text()).toBe(before);
});

test("a narrow terminal: no line is longer than it", () => {
  vi.useFakeTimers();
  const { stream, text } = screen(60);
  const meter = tuneMeter(stream);
  meter.show(measuring(0, 0.25, "a kernel with a name that is much longer than anything that fits (line 123)"));
  vi.advanceTimersByTime(300);
  meter.stop();
  const drawn = text()
    .split("\u001b")
    .filter((part) => part.includes("tuning"));
  expect(drawn.some((line) => line.includes("25 % of a step, 0:42 left: a ke"))).toBe(true);
  expect(Math.max(...drawn.map((line) => line.length - "[1G".length))).toBeLessThanOrEqual(60);
});
