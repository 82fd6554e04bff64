/**
 * Shows how far a download (or reading, or generating) is.
 *
 * In: progress reports. Out: on a terminal one line that is rewritten; elsewhere a line at every tenth.
 */
export interface Meter {
  show(progress: { what: string; done: number; total: number | undefined }): void;
  end(): void;
}

export function downloadMeter(stream: NodeJS.WriteStream): Meter {
  let current = "";
  let shown = -1;
  let open = false;
  return {
    show({ what, done, total }) {
      const share = total === undefined || total === 0 ? undefined : Math.min(1, done / total);
      const percent = share === undefined ? undefined : Math.floor(100 * share);
      const mark = percent ?? Math.floor(done / 2 ** 20);
      const unit = stream.isTTY ? 1 : 10;
      const place = Math.floor(mark / unit);
      if (what === current && place === shown) return;
      if (what !== current && open) stream.write("\n");
      current = what;
      shown = place;
      const text = `${what}: ${percent === undefined ? `${mark} MiB` : `${bar(percent)} ${percent} %`}`;
      stream.write(
        stream.isTTY ? `\r\u001b[2K${text}` : `${what}: ${percent === undefined ? `${mark} MiB` : `${percent} %`}\n`,
      );
      open = stream.isTTY;
    },
    end() {
      if (open) stream.write("\n");
      open = false;
    },
  };
}

function bar(percent: number): string {
  const full = Math.round(percent / 4);
  return `[${"=".repeat(full)}${" ".repeat(25 - full)}]`;
}
