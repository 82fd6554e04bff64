/** The colours of the parts of a training step, in all pictures of a profile. */
import type { Phase } from "./profile.ts";

export const phaseColours: Readonly<Record<Phase, string>> = {
  forward: "#1f6feb",
  backward: "#b3541e",
  update: "#2f8f5b",
};
