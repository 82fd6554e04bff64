/**
 * The table of feature maps.
 *
 * In: a checked text. Out: for each model a table as lines of text. What holds: a layer that neither has parameters nor
 * changes the shape (an activation, dropout) has no row of its own: it stands in front of the next layer if that one has
 * no parameters either (`relu, pool max 2`). The rows that are not indented add up to the total; what a block or a
 * `repeat` consists of is indented below it, for one use or round, as far as the table stays short. A model with an error
 * is shown up to the layer that fails, without totals.
 */
import { shapeText } from "./checkedProgram.ts";
import type { ModelSoFar } from "./checkModel.ts";
import type { CheckResult } from "./checkText.ts";
import { plainPalette, type Palette } from "./palette.ts";
import { tableTree, type TableNode } from "./tableTree.ts";

/** Blocks are opened as far as a table has no more rows than fit on a screen. */
const MAXIMUM_ROWS = 50;
const MAXIMUM_LEVELS = 100;

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
export function renderTable(
  result: CheckResult,
  options: {
    readonly color?: Palette;
    /** Blocks and repeats are opened as far as a table has no more rows than this; infinity opens all. */
    readonly maximumRows?: number;
  } = {},
): string {
  const { color = plainPalette, maximumRows = MAXIMUM_ROWS } = options;
  const shown = result.models.filter(({ layers }) => layers.length > 0);
  const tables = shown.map((model) => renderModel(model, maximumRows, color));
  return tables.join("\n");
}

function renderModel(model: ModelSoFar, maximumRows: number, palette: Palette): string {
  const rows = rowsOf(model, maximumRows);
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

/** As many levels of blocks and repeats are opened as fit in `maximumRows`. */
function rowsOf(model: ModelSoFar, maximumRows: number): Row[] {
  const nodes = tableTree(model.layers);
  // In a model with an error, the parts that lead to it are open.
  const isOpen = (levels: number, last: boolean): boolean => levels > 0 || (last && !model.complete);
  let rows = openRows(nodes, 0, isOpen, "", true);
  for (let levels = 1; levels < MAXIMUM_LEVELS; levels++) {
    const more = openRows(nodes, levels, isOpen, "", true);
    if (more.length > maximumRows || more.length === rows.length) break;
    rows = more;
  }
  return rows;
}

function openRows(
  nodes: readonly TableNode[],
  levels: number,
  isOpen: (levels: number, last: boolean) => boolean,
  indent: string,
  last: boolean,
): Row[] {
  return nodes.flatMap((node, at) => {
    const isLast = last && at === nodes.length - 1;
    if (node.kind === "branch") {
      const rows = openRows(node.children, levels, isOpen, "", isLast);
      return rows.map((row, i) => ({ ...row, layer: `${indent}${i === 0 ? "- " : "  "}${row.layer}` }));
    }
    const own = rowOf(node, indent);
    if (node.kind === "layer" || !isOpen(levels, isLast)) return [own];
    return [own, ...openRows(node.children, levels - 1, isOpen, `${indent}  `, isLast)];
  });
}

function rowOf({ label, times, output, parameters, multiplyAdds, receptiveField }: TableNode, indent: string): Row {
  return {
    layer: `${indent}${label}${times > 1 ? `  x${times}` : ""}`,
    output: shapeText(output),
    parameters: label === "skip" ? "" : grouped(parameters),
    multiplyAdds: label === "skip" ? "" : grouped(multiplyAdds),
    receptiveField: label === "skip" ? "" : receptiveField.size.join("x"),
  };
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
