/**
 * Colours for a terminal.
 *
 * In: a text. Out: the text, painted or not. What holds: the caller decides whether there is a terminal; nothing in
 * language/ asks.
 */
export type Paint = (text: string) => string;

export interface Palette {
  readonly error: Paint;
  readonly warning: Paint;
  readonly note: Paint;
  /** Line numbers and rules. */
  readonly frame: Paint;
  readonly strong: Paint;
  readonly faint: Paint;
}

const same: Paint = (text) => text;

export const plainPalette: Palette = { error: same, warning: same, note: same, frame: same, strong: same, faint: same };

/** Select Graphic Rendition (ECMA-48): `open` switches it on, `close` off. */
const ansi =
  (open: number, close: number): Paint =>
  (text) =>
    text === "" ? text : `\u001b[${open}m${text}\u001b[${close}m`;

const bold = ansi(1, 22);

export const ansiPalette: Palette = {
  error: (text) => bold(ansi(31, 39)(text)),
  warning: (text) => bold(ansi(33, 39)(text)),
  note: ansi(36, 39),
  frame: ansi(34, 39),
  strong: bold,
  faint: ansi(2, 22),
};
