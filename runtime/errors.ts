/**
 * Failures of the world outside the program: device, data, files, training. They carry a remedy and are shown without a
 * stack trace; the command line ends with exit code 3.
 *
 * In: what Node.js throws. Out: the same in plain words. What holds: no path is repeated, since the caller names it.
 */
export type FailureKind = "device" | "data" | "files" | "training";

export class RuntimeFailure extends Error {
  override name = "RuntimeFailure";

  constructor(
    readonly kind: FailureKind,
    message: string,
    /** What the user can do about it, as a sentence. */
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The codes of a full or closed file system, of which something can be said that helps. */
const fileReasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file grows larger than is allowed here",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOENT: "there is no such file or folder",
  ENOTDIR: "a part of the path is a file, not a folder",
  EISDIR: "it is a folder",
  EEXIST: "there is a file of that name",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "too many files are open",
  EIO: "the disk reports an error",
};

const networkReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the server refuses the connection",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  ERR_STREAM_PREMATURE_CLOSE: "the connection was cut",
  ENOTFOUND: "the server's name cannot be looked up; there seems to be no network",
  EAI_AGAIN: "the server's name cannot be looked up; there seems to be no network",
  ENETUNREACH: "there is no network",
  EHOSTUNREACH: "the server cannot be reached",
  ETIMEDOUT: "the server does not answer",
};

/** The code that Node.js gives to an error of the system (`ENOSPC`), or "". */
export function systemCode(problem: unknown): string {
  return problem instanceof Error && "code" in problem && typeof problem.code === "string" ? problem.code : "";
}

/** Whether a file system, not a network, is at fault. */
export function isFileProblem(problem: unknown): boolean {
  return systemCode(problem) in fileReasons;
}

/** Any thrown value in words: `the disk is full` rather than `ENOSPC: no space left on device, write`. */
export function reasonOf(problem: unknown): string {
  const code = systemCode(problem);
  const known = fileReasons[code] ?? networkReasons[code];
  if (known !== undefined) return known;
  const text = problem instanceof Error ? problem.message : String(problem);
  // Some errors of connections have a code and no text.
  return text || code || "unknown reason";
}
