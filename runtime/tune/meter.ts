/**
 * Progress of tuning.
 *
 * In: the state before each kernel. Out: a bar on a terminal, a line for each kernel elsewhere.
 */
import cliProgress from "cli-progress";
import type { TuneProgress } from "./tune.ts";

export interface TuneMeter {
  readonly show: (progress: TuneProgress) => void;
  readonly stop: () => void;
}

export function tuneMeter(stream: NodeJS.WriteStream): TuneMeter {
  return stream.isTTY ? bar(stream) : lines(stream);
}

function lines(stream: NodeJS.WriteStream): TuneMeter {
  return {
    show: ({ done, total, next }) => void stream.write(`tuning ${done + 1}/${total}: ${next}\n`),
    stop: () => undefined,
  };
}

/** Columns of what is not the bar. */
const widthOfText = 55;

function bar(stream: NodeJS.WriteStream): TuneMeter {
  const barsize = Math.max(4, Math.min(30, (stream.columns ?? 80) - widthOfText));
  const format = "tuning {bar} {value}/{total} kernels  {next}";
  const shown = new cliProgress.SingleBar(
    { stream, format, barsize, hideCursor: true, clearOnComplete: true, stopOnComplete: false },
    cliProgress.Presets.shades_classic,
  );
  let isActive = false;
  const restore = (): void => void stream.write("\u001b[?25h\u001b[?7h");
  return {
    show({ done, total, next }) {
      const text = next.slice(0, 30);
      if (isActive) shown.update(done, { next: text });
      else {
        shown.start(total, done, { next: text });
        process.on("exit", restore);
        isActive = true;
      }
    },
    stop() {
      if (!isActive) return;
      isActive = false;
      shown.stop();
      process.off("exit", restore);
    },
  };
}
