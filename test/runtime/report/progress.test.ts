/** Progress on a terminal and elsewhere. */
import { afterEach, expect, test, vi } from "vitest";
import { createProgress, durationText, type ProgressState } from "../../../runtime/report/progress.ts";
import { recordsOf } from "./records.ts";
import { screen } from "./screen.ts";

const state: ProgressState = { step: 40, loss: 1.23456, accuracy: 0.5678, imagesPerSecond: 12345.6, secondsLeft: 3723 };
const [record] = recordsOf(0.6123);
if (!record) throw new Error("no record");
const epochLine = "epoch  1/10  training loss 1.0754  test loss 1.1754  test accuracy 61.23 %  12.3 s  4,052 images/s";

afterEach(() => void vi.useRealTimers());

test("a terminal: a bar with loss, accuracy, images a second, time left; then the epoch's line", () => {
  vi.useFakeTimers();
  const { stream, text } = screen(120);
  const progress = createProgress(stream, { epochs: 10, stepsPerEpoch: 80 });
  progress.startEpoch(1);
  progress.update(state);
  vi.advanceTimersByTime(200);
  expect(text()).toContain(
    "epoch 1/10 ███████████████░░░░░░░░░░░░░░░ loss 1.2346  accuracy 56.8 %  12,346 images/s  1:02:03 left",
  );
  progress.endEpoch(record);
  expect(text()).toContain(`${epochLine}\n`);
  // What hid the cursor shows it again.
  expect(text().split("\u001b[?25l")).toHaveLength(text().split("\u001b[?25h").length);
  const before = text();
  progress.update(state);
  vi.advanceTimersByTime(1000);
  expect(text()).toBe(before);
});

test.each([80, 100, 120, 300])("on %i columns the line fits", (columns) => {
  vi.useFakeTimers();
  const { stream, text } = screen(columns);
  const progress = createProgress(stream, { epochs: 10, stepsPerEpoch: 80 });
  progress.startEpoch(10);
  progress.update(state);
  vi.advanceTimersByTime(200);
  progress.stop();
  const line = /epoch 10\/10 [█░]+ loss.*?left/.exec(text())?.[0] ?? "";
  expect(line).toContain("1:02:03 left");
  expect(line.length).toBeLessThanOrEqual(columns);
});

test("no colours, on any terminal", () => {
  vi.useFakeTimers();
  const { stream, text } = screen(100);
  const progress = createProgress(stream, { epochs: 1, stepsPerEpoch: 80 });
  progress.startEpoch(1);
  progress.update(state);
  vi.advanceTimersByTime(200);
  progress.endEpoch(record);
  expect(text()).toContain("training loss 1.0754");
  // SGR sequences end in m.
  expect(
    text()
      .split("\u001b")
      .filter((code) => /^\[[\d;]*m/.test(code)),
  ).toEqual([]);
});

test("a note stays above the bar, stopping twice does no harm, and no listener is left", () => {
  const listeners = process.listenerCount("exit");
  const { stream, text } = screen(100);
  const progress = createProgress(stream, { epochs: 1, stepsPerEpoch: 80 });
  progress.stop();
  progress.startEpoch(1);
  expect(process.listenerCount("exit")).toBe(listeners + 1);
  progress.note("something to know");
  progress.stop();
  progress.stop();
  expect(text()).toContain("something to know\n");
  expect(process.listenerCount("exit")).toBe(listeners);
});

test("not a terminal: plain lines, at most one in ten seconds besides those of the epochs", () => {
  vi.useFakeTimers();
  const { stream, text } = screen();
  const progress = createProgress(stream, { epochs: 10, stepsPerEpoch: 80 });
  progress.startEpoch(1);
  for (let second = 0; second < 25; second++) {
    progress.update({ ...state, step: second });
    vi.advanceTimersByTime(1000);
  }
  progress.note("a note");
  progress.endEpoch(record);
  progress.stop();
  expect(text()).toBe(
    [10, 20]
      .map((step) => `epoch 1/10  step ${step}/80  loss 1.2346  accuracy 56.8 %  12,346 images/s  1:02:03 left\n`)
      .join("") + `a note\n${epochLine}\n`,
  );
});

test("plain lines where the caller wants them on a terminal, and a bar only if there is one", () => {
  const { stream, text } = screen(100);
  const progress = createProgress(stream, { epochs: 10, stepsPerEpoch: 80, isTerminal: false });
  progress.startEpoch(1);
  progress.endEpoch(record);
  expect(text()).toBe(`${epochLine}\n`);
});

test("durations", () => {
  expect([0, 0.4, 59.6, 61, 3600, 36_123, -5, Infinity, Number.NaN].map(durationText)).toEqual([
    "0:00",
    "0:00",
    "1:00",
    "1:01",
    "1:00:00",
    "10:02:03",
    "0:00",
    "?",
    "?",
  ]);
});
