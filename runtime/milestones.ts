/**
 * Milestones on the way to the first training step, and beyond, for whoever measures it.
 *
 * In: a milestone. Out: a mark of it in the engine's own timeline (User Timing: `performance.getEntriesByType("mark")`), once.
 */
export const milestones = [
  "program checked",
  "device opened",
  "data found",
  "compiled",
  "data read",
  "plan opened",
  "initialised",
  "first step",
  "plan kept",
] as const;
export type Milestone = (typeof milestones)[number];

const reached = new Set<Milestone>();

export function reach(milestone: Milestone): void {
  if (reached.has(milestone)) return;
  reached.add(milestone);
  performance.mark(`cnnc: ${milestone}`);
}
