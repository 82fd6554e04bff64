/**
 * What the benchmark shows.
 *
 * In: results of a task. Out: text for a terminal. Columns that need the plan are empty for stacks that have none.
 */
import type { Peaks } from "../runtime/profile/peaks.ts";
import type { StackResult } from "./measure.ts";
import { type Summary, ratios, summarise } from "./statistics.ts";
import type { StackName } from "./stackTable.ts";
import { mebibytes, number, type Row, seconds, textTable } from "./table.ts";

export interface TaskResult {
  readonly workload: string;
  readonly mode: "train" | "predict";
  readonly batch: number;
  /** Floating-point operations of a step, by our plan. */
  readonly operations: number | undefined;
  readonly results: readonly StackResult[];
}

/** What devices reach, by the stack of ours that measured it. */
export type DevicePeaks = Partial<Record<StackName, Peaks>>;

const head: Row = [
  "stack",
  "ms a step",
  "min-max",
  "images/s",
  "x reference",
  "min-max",
  "GFLOP/s",
  "of peak",
  "dispatches",
  "MB moved",
  "device MiB",
  "process MiB",
  "first s",
  "cold s",
  "difference",
];

/** Stacks on the same device as one of ours. */
const deviceOf: Readonly<Record<StackName, StackName | undefined>> = {
  "cnnc-cpu": "cnnc-cpu",
  "cnnc-gpu": "cnnc-gpu",
  tfjs: "cnnc-gpu",
  jax: "cnnc-gpu",
  pytorch: undefined,
  onnxruntime: undefined,
  convnetjs: undefined,
};

/** PyTorch where it ran, else the first that did. */
export function referenceOf(results: readonly StackResult[]): StackResult | undefined {
  const ran = results.filter(({ times }) => times.length > 0);
  return ran.find(({ stack }) => stack === "pytorch") ?? ran[0];
}

export function renderTask({ workload, mode, batch, operations, results }: TaskResult, peaks: DevicePeaks): string {
  const reference = referenceOf(results);
  const rows = results
    .filter(({ times }) => times.length > 0)
    .map((result) => rowOf(result, { batch, operations, reference, peaks }));
  const what = mode === "train" ? "a training step" : "inference";
  const work = operations === undefined ? "" : `, ${number(operations / 1e9)} GFLOP by the plan`;
  const title = `${workload}: ${what}, batch ${batch}${work}; reference: ${reference?.title ?? "none"}`;
  return [title, "", textTable(head, rows), ...notes(results)].join("\n");
}

interface RowContext {
  readonly batch: number;
  readonly operations: number | undefined;
  readonly reference: StackResult | undefined;
  readonly peaks: DevicePeaks;
}

function rowOf(result: StackResult, { batch, operations, reference, peaks }: RowContext): Row {
  const { title, stack, times, facts, firstRun, agreement } = result;
  const time = summarise(times);
  const ratio = ratios(times, reference?.times ?? []);
  const rate = operations === undefined ? NaN : operations / time.median / 1e6;
  const peak = peaks[deviceOf[stack] ?? stack]?.multiplyAdds.rate;
  return [
    title,
    number(time.median),
    rangeOf(time),
    number((batch * 1000) / time.median),
    ratio ? number(ratio.median) : "",
    ratio && result !== reference ? rangeOf(ratio) : "",
    // What ConvNetJS leaves out is not its work.
    typeof agreement === "string" ? "" : number(rate),
    peak === undefined || peak === 0 ? "" : `${number((100 * rate) / peak)} %`,
    facts?.dispatches === undefined ? "" : String(facts.dispatches),
    facts?.bytes === undefined ? "" : number(facts.bytes / 1e6),
    mebibytes(facts?.deviceBytes),
    mebibytes(facts?.processBytes),
    seconds(firstRun?.warm),
    seconds(firstRun?.cold),
    typeof agreement === "object" ? agreement.difference.toExponential(0) : "",
  ];
}

const rangeOf = ({ smallest, largest }: Summary): string => `${number(smallest)}-${number(largest)}`;

function notes(results: readonly StackResult[]): string[] {
  return results.flatMap(({ title, variant, agreement, failure, facts }) => [
    ...(failure === undefined ? [] : [`${title} did not run: ${failure}`]),
    ...(variant ? [`${title}: ${variant} (its fastest)`] : []),
    ...(typeof agreement === "string" && failure === undefined ? [`${title}: ${agreement}`] : []),
    ...(typeof agreement === "object" && !agreement.holds
      ? [`${title}: ITS RESULTS DIFFER from those of ${agreement.with}`]
      : []),
    ...(facts && failure === undefined
      ? [`${title}: ${[facts.version, facts.device].filter(Boolean).join(", ")}`]
      : []),
  ]);
}

export function renderPeaks(peaks: DevicePeaks, titles: Readonly<Record<StackName, string>>): string {
  return Object.entries(peaks)
    .map(
      ([stack, { multiplyAdds, memory }]) =>
        `${titles[stack as StackName]} reaches ${number(multiplyAdds.rate)} GFLOP/s (${multiplyAdds.shape}) and ${number(memory.rate)} GB/s (${memory.shape})`,
    )
    .join("\n");
}
