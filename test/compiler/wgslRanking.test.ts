/**
 * Schedules for WGSL are ranked without pricing all of them: what is found is what pricing all of them finds.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { analyse } from "../../compiler/schedule/analysis.ts";
import { cheapest } from "../../compiler/schedule/cheapest.ts";
import { candidatesForWgsl } from "../../compiler/schedule/wgsl.ts";
import { costsOf } from "../../compiler/schedule/wgslAdapters.ts";
import { gridsOf, tilings } from "../../compiler/schedule/wgslChoices.ts";
import { pricesOf, subjectOf } from "../../compiler/schedule/wgslCosts.ts";
import { targets } from "../support/targets.ts";
import { subjectsOf } from "../support/tuningSubjects.ts";

const text = `model Tiny {
  input 3@32x32
  conv 6@3x3 pad same -> bn -> relu -> pool max 4
  conv 8@3x3
  fc 10
}

train {
  data cifar10
  batch 8
  epochs 1
  loss cross_entropy
  optimizer adam lr 0.01
}
`;

describe("the cheapest", () => {
  it("are those that sorting by price finds, whatever the bounds", () => {
    const one = fc.record({ cost: fc.integer({ min: 0, max: 30 }), slack: fc.integer({ min: 0, max: 10 }) });
    fc.assert(
      fc.property(fc.array(one), fc.integer({ min: 1, max: 8 }), (all, count) => {
        const bounded = all.map(({ cost, slack }, place) => ({ place, cost, least: cost - slack }));
        const sorted = bounded.toSorted((a, b) => a.cost - b.cost).slice(0, count);
        expect(cheapest(bounded, count, (priced) => priced)).toEqual(sorted);
      }),
    );
  });

  it("leave out what cannot be had", () => {
    const all = [3, Infinity, 1].map((cost) => ({ cost, least: 0 }));
    expect(cheapest(all, 5, (one) => one).map(({ cost }) => cost)).toEqual([1, 3]);
  });
});

const gpus = [targets["a software GPU"], targets["a GPU"], targets["a small GPU without subgroups"]];

describe.each(gpus)("where software is $software and subgroups are of $subgroupSize", (target) => {
  it("the first candidate is the cheapest of all tilings on all grids, none of which is below its bound", () => {
    let priced = 0;
    for (const { kernel, tensors } of subjectsOf(text, target)) {
      const analysis = analyse(kernel, tensors);
      const subject = subjectOf(kernel, analysis, tensors);
      const costs = costsOf(target);
      let best = Infinity;
      const priceOf = pricesOf(subject, target, costs);
      for (const tiling of tilings(analysis, costs, subject.sums)) {
        const prices = priceOf(tiling);
        for (const cost of gridsOf(analysis.axes, tiling.tile).map((grid) => prices?.on(grid) ?? Infinity)) {
          expect(cost).toBeGreaterThanOrEqual((prices?.least ?? 0) * (1 - 1e-12));
          best = Math.min(best, cost);
          priced++;
        }
      }
      const plain = candidatesForWgsl(kernel, tensors, target).find(({ schedule }) => !schedule.roll);
      expect(plain?.cost).toBe(best);
    }
    expect(priced).toBeGreaterThan(1000);
  });
});
