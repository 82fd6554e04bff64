/** The version of this package, read from its package.json: two folders up from a source, or more from a bundle. */
import { existsSync, readFileSync } from "node:fs";

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
