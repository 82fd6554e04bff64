/** Where downloads are kept. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** `$XDG_CACHE_HOME/cnnc` or `~/.cache/cnnc`. A relative path there is ignored, as the XDG specification asks. */
export function defaultCacheFolder(): string {
  const { XDG_CACHE_HOME: base = "" } = process.env;
  return join(isAbsolute(base) ? base : join(homedir(), ".cache"), "cnnc");
}
