/**
 * Whether a batch fits a data set and a model a device, and which batch would.
 *
 * In: a device, a plan, and how to compile the plan of another batch. Out: nothing, or a `RuntimeFailure` that names the
 * largest batch that fits. What holds: that batch has been compiled and fits; memory grows in step with the batch, so two
 * plans tell about where the limit lies, and a few more find it, or one that is near and is not called the largest.
 */
import type { RunnablePlan } from "../../compiler/plan/plan.ts";
import type { Device } from "../device/device.ts";
import { isMet, type Requirement, sizeText } from "../device/requirements.ts";
import { RuntimeFailure } from "../errors.ts";

/** What a plan needs at some batch. */
interface Point {
  readonly batch: number;
  readonly needs: readonly Requirement[];
}

/** Plans that are compiled at most to find the largest batch. */
const mostPlans = 8;

/** Throws a `RuntimeFailure` ("data") where a data set has less than one batch to train on. */
export function checkImages(batch: number, data: string, images: number): void {
  if (images >= batch) return;
  throw new RuntimeFailure(
    "data",
    `${data} has ${images} training images, less than one batch of ${batch}`,
    `Choose a batch of at most ${images}.`,
  );
}

export function checkFit(
  device: Pick<Device, "requirements">,
  plan: RunnablePlan,
  batch: number,
  planFor: (batch: number) => RunnablePlan,
): void {
  const needs = device.requirements(plan);
  const unmet = needs.find((need) => !isMet(need));
  if (!unmet) return;
  const found = largestFit({ batch, needs }, (smaller) => device.requirements(planFor(smaller)));
  const message =
    `the model does not fit at batch ${batch}: it needs ${sizeText(unmet.bytes)} for ${unmet.what}; ` +
    `the limit is ${sizeText(unmet.limit)}`;
  const remedy =
    found === undefined
      ? "No batch fits: make the model or the data set smaller, or try another --device."
      : `Use --batch ${found.batch}, ${found.isLargest ? "the largest that fits" : "which fits"}, or a smaller one.`;
  throw new RuntimeFailure("device", message, remedy);
}

/** Undefined where a batch of one does not fit. */
function largestFit(
  above: Point,
  needsOf: (batch: number) => readonly Requirement[],
): { readonly batch: number; readonly isLargest: boolean } | undefined {
  let tooLarge = above;
  let known: Point | undefined = above;
  let fitting: Point | undefined;
  for (let plans = 0; plans < mostPlans; plans++) {
    const lowest = fitting?.batch ?? 0;
    if (tooLarge.batch - lowest <= 1) break;
    const guess = known === above ? Math.ceil(above.batch / 4) : guessBetween(above, known);
    const batch = Math.min(tooLarge.batch - 1, Math.max(lowest + 1, guess));
    known = { batch, needs: needsOf(batch) };
    if (known.needs.every(isMet)) fitting = known;
    else tooLarge = known;
  }
  return fitting && { batch: fitting.batch, isLargest: tooLarge.batch - fitting.batch <= 1 };
}

/** The largest batch for which every requirement, in a straight line through two points, is met. */
function guessBetween(a: Point, b: Point): number {
  const most = a.needs.map(({ bytes, limit }, i) => {
    const other = b.needs[i]?.bytes ?? bytes;
    const perImage = (bytes - other) / (a.batch - b.batch);
    if (perImage > 0) return b.batch + (limit - other) / perImage;
    return other <= limit ? Infinity : 0;
  });
  return Math.floor(Math.min(...most));
}
