/**
 * Training progress.
 *
 * In: the state after each burst of steps, the record of each epoch. Out: on a terminal a bar that fits its width, elsewhere
 * plain lines (at most one in ten seconds, and one an epoch). What holds: no colours; no control characters in plain lines;
 * the terminal has its cursor back however the process ends.
 */
import cliProgress from "cli-progress";
import type { EpochRecord } from "../train/epochRecord.ts";

export interface ProgressState {
  /** Steps done in this epoch. */
  readonly step: number;
  readonly loss: number;
  /** 0 to 1 */
  readonly accuracy: number;
  readonly imagesPerSecond: number;
  /** Of the whole run. */
  readonly secondsLeft: number;
}

export interface ProgressOptions {
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Whether the stream shows a moving bar; found out from the stream if left out. */
  readonly isTerminal?: boolean;
}

export interface Progress {
  readonly startEpoch: (epoch: number) => void;
  readonly update: (state: ProgressState) => void;
  readonly endEpoch: (record: EpochRecord) => void;
  /** A line of text that stays. */
  readonly note: (text: string) => void;
  readonly stop: () => void;
}

/** `1:02:03`, `4:05` */
export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function stateText({ loss, accuracy, imagesPerSecond, secondsLeft }: ProgressState): string {
  const speed = Math.round(imagesPerSecond).toLocaleString("en-US");
  return `loss ${loss.toFixed(4)}  accuracy ${(100 * accuracy).toFixed(1)} %  ${speed} images/s  ${durationText(secondsLeft)} left`;
}

export function epochText(record: EpochRecord, epochs: number): string {
  const number = String(record.epoch).padStart(String(epochs).length);
  const speed = Math.round(record.imagesPerSecond).toLocaleString("en-US");
  const losses = `training loss ${record.trainLoss.toFixed(4)}  test loss ${record.testLoss.toFixed(4)}`;
  return `epoch ${number}/${epochs}  ${losses}  test accuracy ${percent(record.testAccuracy)}  ${record.seconds.toFixed(1)} s  ${speed} images/s`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

/** Milliseconds between plain lines. */
const plainInterval = 10_000;

function createPlain(stream: NodeJS.WriteStream, { epochs, stepsPerEpoch }: ProgressOptions): Progress {
  let epoch = 0;
  let lastLine = Date.now();
  const line = (text: string): void => void stream.write(`${text}\n`);
  return {
    startEpoch: (number) => {
      epoch = number;
    },
    update: (state) => {
      if (Date.now() - lastLine < plainInterval) return;
      lastLine = Date.now();
      line(`epoch ${epoch}/${epochs}  step ${state.step}/${stepsPerEpoch}  ${stateText(state)}`);
    },
    endEpoch: (record) => {
      lastLine = Date.now();
      line(epochText(record, epochs));
    },
    note: line,
    stop: () => undefined,
  };
}

/** What a line needs besides the bar: `epoch 10/10  loss 0.1234  accuracy 98.7 %  12,345 images/s  1:02:03 left`. */
const widthOfText = 75;
/** Shows the cursor and breaks long lines again. */
const terminalRestored = "\u001b[?25h\u001b[?7h";

function createBar(stream: NodeJS.WriteStream, { epochs, stepsPerEpoch }: ProgressOptions): Progress {
  const barsize = Math.max(4, Math.min(30, (stream.columns ?? 80) - widthOfText));
  const format = "epoch {epoch} {bar} {text}";
  const bar = new cliProgress.SingleBar(
    { stream, format, barsize, hideCursor: true, clearOnComplete: true, stopOnComplete: false, fps: 20 },
    cliProgress.Presets.shades_classic,
  );
  let isActive = false;
  // A second Ctrl-C ends the process at once.
  const restoreTerminal = (): void => void stream.write(terminalRestored);
  const stop = (): void => {
    if (!isActive) return;
    bar.stop();
    process.off("exit", restoreTerminal);
    isActive = false;
  };
  const line = (text: string): void => {
    stop();
    stream.write(`${text}\n`);
  };
  return {
    startEpoch: (epoch) => {
      stop();
      bar.start(stepsPerEpoch, 0, { epoch: `${epoch}/${epochs}`, text: "" });
      process.on("exit", restoreTerminal);
      isActive = true;
    },
    update: (state) => {
      if (isActive) bar.update(state.step, { text: stateText(state) });
    },
    endEpoch: (record) => line(epochText(record, epochs)),
    note: line,
    stop,
  };
}

export function createProgress(stream: NodeJS.WriteStream, options: ProgressOptions): Progress {
  return (options.isTerminal ?? stream.isTTY) ? createBar(stream, options) : createPlain(stream, options);
}
