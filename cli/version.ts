/** Which version of the package this is, and which build of it. */
import { existsSync, readFileSync } from "node:fs";

/** Put in place by scripts/bundle.mjs: a number for the sources. */
declare const CNNC_BUILD: string | undefined;

/** Undefined where the command runs from its sources. */
export function buildNumber(): string | undefined {
  return typeof CNNC_BUILD === "undefined" ? undefined : CNNC_BUILD;
}

/** As package.json says, which is two folders up from a source, or more from a bundle. */
export function version(): string {
  for (const up of ["../package.json", "../../package.json", "../../../package.json"]) {
    const path = new URL(up, import.meta.url);
    if (!existsSync(path)) continue;
    const description: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof description === "object" && description !== null && "version" in description)
      return String(description.version);
  }
  return "unknown";
}
