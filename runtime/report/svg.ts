/**
 * What all pictures share: their frame, their letters, their colours.
 *
 * In: numbers and texts. Out: pieces of SVG. What holds: texts are escaped; coordinates have one decimal.
 */
export const ink = { text: "#24292f", faint: "#59636e", grid: "#e4e7eb", axis: "#8c959f" } as const;

/** Attributes of numbers and names along axes. */
export const small = `font-size="12" fill="${ink.faint}"`;

export type Point = readonly [number, number];

/** A whole picture on white, in a font that most machines have. */
export function svgDocument(width: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

export function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped(content)}</text>`;
}

/** `title` is shown where the pointer rests. */
export function mark([x, y]: Point, radius: number, attributes: string, title?: string): string {
  const circle = `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${radius}" ${attributes}`;
  return title === undefined ? `${circle}/>` : `${circle}>${tooltip(title)}</circle>`;
}

export function segment([x1, y1]: Point, [x2, y2]: Point, attributes: string): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" ${attributes}/>`;
}

export function tooltip(content: string): string {
  return `<title>${escaped(content)}</title>`;
}

/** About the width of a text in this font. */
export function textWidth(content: string, fontSize: number): number {
  return 0.6 * fontSize * content.length;
}
