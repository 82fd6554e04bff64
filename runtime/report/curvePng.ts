/** Rasterises an SVG with a font of its own: the machine need have none. */
import { createRequire } from "node:module";

/** Returns a PNG at twice the SVG's size. The library is loaded at the first call. */
export async function curvePng(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import("@resvg/resvg-js");
  const font = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
  const picture = new Resvg(svg, {
    fitTo: { mode: "zoom", value: 2 },
    font: { loadSystemFonts: false, fontFiles: [font], defaultFontFamily: "DejaVu Sans" },
  });
  return picture.render().asPng();
}
