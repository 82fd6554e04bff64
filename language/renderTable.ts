/**
 * The table of feature maps.
 *
 * In: a checked text. Out: for each model a table as lines of text. What holds: a layer that neither has parameters nor
 * changes the shape (an activation, dropout) has no row of its own: it stands in front of the next layer if that one has
 * no parameters either (`relu, pool max 2`). A model with an error is shown up to the layer that fails, without totals.
 */
import { shapeText, type CheckedLayer } from "./checkedProgram.ts";
import type { ModelSoFar } from "./checkModel.ts";
import type { CheckResult } from "./checkText.ts";
import { plainPalette, type Palette } from "./palette.ts";

interface Row {
  readonly layer: string;
  readonly output: string;
  readonly parameters: string;
  readonly multiplyAdds: string;
  readonly receptiveField: string;
}

const HEADINGS: Row = {
  layer: "layer",
  output: "output",
  parameters: "parameters",
  multiplyAdds: "multiply-adds",
  receptiveField: "receptive field",
};
const COLUMNS = Object.keys(HEADINGS) as (keyof Row)[];
const LEFT: ReadonlySet<keyof Row> = new Set(["layer", "output"]);

/** The tables of all models of a file, with a blank line between; "" if there is nothing to show. */
export function renderTable(result: CheckResult, options: { readonly color?: Palette } = {}): string {
  const palette = options.color ?? plainPalette;
  const tables = result.models.filter(({ layers }) => layers.length > 0).map((model) => renderModel(model, palette));
  return tables.join("\n");
}

function renderModel(model: ModelSoFar, palette: Palette): string {
  const rows = rowsOf(model.layers);
  const total = model.complete ? totalRow(model) : undefined;
  const all = total === undefined ? [HEADINGS, ...rows] : [HEADINGS, ...rows, total];
  const widths = COLUMNS.map((column) => all.reduce((width, row) => Math.max(width, row[column].length), 0));
  const line = (row: Row): string =>
    COLUMNS.map((column, at) => pad(row[column], widths[at] ?? 0, LEFT.has(column)))
      .join("   ")
      .trimEnd();
  const rule = palette.frame("-".repeat(widths.reduce((sum, width) => sum + width, 3 * (widths.length - 1))));
  const head = `${palette.strong(`model ${model.name}`)}  ${model.input === undefined ? "" : `input ${shapeText(model.input)}`}`;
  const lines = [head, "", palette.faint(line(HEADINGS)), rule, ...rows.map(line)];
  if (total !== undefined) lines.push(rule, palette.strong(line(total)), "", ...summary(model));
  return `${lines.join("\n")}\n`;
}

function pad(text: string, width: number, left: boolean): string {
  const blanks = " ".repeat(Math.max(0, width - text.length));
  return left ? text + blanks : blanks + text;
}

function rowsOf(layers: readonly CheckedLayer[]): Row[] {
  const rows: Row[] = [];
  let waiting: string[] = [];
  for (const layer of layers) {
    const parameters = countedParameters(layer);
    const [input] = layer.inputShapes;
    const silent = parameters === 0 && input !== undefined && shapeText(input) === shapeText(layer.outputShape);
    const before = parameters === 0 ? waiting : [];
    waiting = silent ? [...before, layer.text] : [];
    if (silent && !isPool(layer)) continue;
    waiting = [];
    rows.push({
      layer: [...before, layer.text].join(", "),
      output: shapeText(layer.outputShape),
      parameters: grouped(parameters),
      multiplyAdds: grouped(layer.multiplyAdds),
      receptiveField: layer.receptiveField.size.join("x"),
    });
  }
  return rows;
}

/** A pool that keeps the size still changes what is seen, so it has its row. */
function isPool(layer: CheckedLayer): boolean {
  return layer.kind === "maxPool" || layer.kind === "averagePool";
}

export function countedParameters(layer: CheckedLayer): number {
  let total = 0;
  for (const { counted, shape } of layer.parameters)
    if (counted) total += shape.reduce((product, side) => product * side, 1);
  return total;
}

function totalRow({ totals }: ModelSoFar): Row {
  const { parameters, multiplyAdds } = totals;
  return {
    layer: "total",
    output: "",
    parameters: grouped(parameters),
    multiplyAdds: grouped(multiplyAdds),
    receptiveField: "",
  };
}

function summary({ totals }: ModelSoFar): string[] {
  const { parameters, trainable, activationBytes, parameterBytes } = totals;
  const learned = trainable === parameters ? "all trainable" : `${grouped(trainable)} trainable`;
  return [
    `parameters         ${mebibytes(parameterBytes)}  (float32, ${learned})`,
    `activations        ${mebibytes(activationBytes)}  (an image in training: outputs and their gradients)`,
  ];
}

/** `48,120` */
export function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** `0.24 MiB`, in units of 2 ** 20 bytes. */
function mebibytes(bytes: number): string {
  const value = bytes / 2 ** 20;
  return `${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })} MiB`;
}
