/**
 * Progress of tuning.
 *
 * In: what is done now. Out: a bar on a terminal, which counts the time left down; a line for each kernel elsewhere.
 */
import cliProgress from "cli-progress";
import { durationText } from "../report/progress.ts";
import type { TuneProgress } from "./tune.ts";

export interface TuneMeter {
  readonly show: (progress: TuneProgress) => void;
  readonly stop: () => void;
}

export function tuneMeter(stream: NodeJS.WriteStream): TuneMeter {
  return stream.isTTY ? bar(stream) : lines(stream);
}

/** `62 % of a step, 31 s left: conv2 (line 5)` */
function textOf(progress: TuneProgress): string {
  if (progress.stage === "opening") return "compiling a step, kernel by kernel";
  if (progress.stage === "comparing") return "comparing whole steps";
  const { share, end, next } = progress;
  const left = Math.max(0, Math.round((end - performance.now()) / 1000));
  return `${Math.floor(100 * share)} % of a step, ${durationText(left)} left: ${next}`;
}

function lines(stream: NodeJS.WriteStream): TuneMeter {
  return {
    show(progress) {
      const place = progress.stage === "measuring" ? ` ${progress.done + 1}/${progress.total}` : "";
      stream.write(`tuning${place}: ${textOf(progress)}\n`);
    },
    stop: () => undefined,
  };
}

/** Columns of what is not the bar. */
const widthOfText = 70;

function bar(stream: NodeJS.WriteStream): TuneMeter {
  const barsize = Math.max(4, Math.min(30, (stream.columns ?? 80) - widthOfText));
  const shown = new cliProgress.SingleBar(
    { stream, format: "tuning {bar} {text}", barsize, hideCursor: true, clearOnComplete: true, stopOnComplete: false },
    cliProgress.Presets.shades_classic,
  );
  let now: TuneProgress = { stage: "opening" };
  let clock: NodeJS.Timeout | undefined;
  const restore = (): void => void stream.write("\u001b[?25h\u001b[?7h");
  const draw = (): void => {
    const room = Math.max(20, (stream.columns ?? 80) - barsize - "tuning  ".length - 1);
    const shares = { opening: 0, measuring: now.stage === "measuring" ? now.share : 0, comparing: 1 };
    shown.update(shares[now.stage], { text: textOf(now).slice(0, room) });
  };
  return {
    show(progress) {
      now = progress;
      if (!clock) {
        shown.start(1, 0, { text: "" });
        process.on("exit", restore);
        clock = setInterval(draw, 1000).unref();
      }
      draw();
    },
    stop() {
      if (!clock) return;
      clearInterval(clock);
      clock = undefined;
      shown.stop();
      process.off("exit", restore);
    },
  };
}
