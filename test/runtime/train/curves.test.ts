/** The pictures of a run: both, or the SVG with a warning; a folder that fails is an error. */
import { afterEach, expect, test, vi } from "vitest";
import { RuntimeFailure } from "../../../runtime/errors.ts";
import { recordsOf } from "../report/records.ts";

const options = { title: "LeNet", epochs: 3 };

afterEach(() => {
  vi.doUnmock("@resvg/resvg-js");
  vi.resetModules();
});

interface Written {
  svg?: string;
  png?: Uint8Array | undefined;
}

async function draw(): Promise<{ written: Written; warning: string | undefined }> {
  const { drawCurves } = await import("../../../runtime/train/curves.ts");
  const written: Written = {};
  const folder = {
    writeCurve: async (svg: string, png: Uint8Array | undefined) => void Object.assign(written, { svg, png }),
  };
  return { written, warning: await drawCurves(folder, recordsOf(0.3, 0.4), options) };
}

test("SVG and PNG", async () => {
  const { written, warning } = await draw();
  expect(warning).toBeUndefined();
  expect(written.svg).toContain("40.0 %");
  expect([...(written.png ?? [])].slice(1, 4)).toEqual([...Buffer.from("PNG")]);
});

test("without the native library: the SVG, and a warning that says why", async () => {
  vi.resetModules();
  vi.doMock("@resvg/resvg-js", () => {
    throw new Error("Cannot find module '@resvg/resvg-js-linux-x64-gnu'");
  });
  const { written, warning } = await draw();
  expect(written.svg).toContain("40.0 %");
  expect(written.png).toBeUndefined();
  expect(warning).toMatch(/curve\.png could not be drawn \(.+\); curve\.svg has the same picture/);
});

test("a folder that cannot be written is no mere warning", async () => {
  const { drawCurves } = await import("../../../runtime/train/curves.ts");
  const folder = { writeCurve: () => Promise.reject(new RuntimeFailure("files", "full", "free some")) };
  await expect(drawCurves(folder, recordsOf(0.3), options)).rejects.toThrow("full");
});
