/**
 * What a plan needs of a device, beside what the device has.
 */
export interface Requirement {
  /** `all tensors on the CPU device` */
  readonly what: string;
  /** Bytes that the plan needs of it, and has at most. */
  readonly bytes: number;
  readonly limit: number;
}

export function isMet({ bytes, limit }: Requirement): boolean {
  return bytes <= limit;
}

/** `128 MiB`, `3.4 GiB` */
export function sizeText(bytes: number): string {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString("en")} MiB`;
}
