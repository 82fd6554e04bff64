/**
 * Rasterises an SVG with fonts of its own: the machine need have none.
 *
 * In: an SVG. Out: a PNG at twice its size. What holds: the library, which is native code, is loaded at the first call; an
 * error of any kind is thrown, and the caller goes on without the picture (../train/curves.ts).
 */
import { createRequire } from "node:module";

export async function curvePng(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import("@resvg/resvg-js");
  const { resolve } = createRequire(import.meta.url);
  const fonts = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"].map((file) => resolve(`dejavu-fonts-ttf/ttf/${file}`));
  const picture = new Resvg(svg, {
    fitTo: { mode: "zoom", value: 2 },
    font: { loadSystemFonts: false, fontFiles: fonts, defaultFontFamily: "DejaVu Sans" },
  });
  return picture.render().asPng();
}
