/**
 * The structure of a table of layers: blocks and repeats with what they consist of.
 *
 * In: the layers of a model. Out: nodes, as a reader would list them. What holds: the numbers of a node are those of all
 * that is in it; neighbouring uses of a block that are equal are one node, and so are the equal rounds of a `repeat`.
 */
import { shapeText, type CheckedLayer, type Enclosure, type ReceptiveField, type Shape } from "./checkedProgram.ts";

/** A line of the table, and the lines that belong to it. */
export interface TableNode {
  readonly label: string;
  /** How often it follows itself. */
  readonly times: number;
  readonly output: Shape;
  readonly parameters: number;
  readonly multiplyAdds: number;
  readonly receptiveField: ReceptiveField;
  /** A layer, or a use of a block or a `repeat`, whose parts are the children; a branch is always shown with its parts. */
  readonly kind: "layer" | "group" | "branch";
  /** Of one use or one round; of rounds that are not equal, of all. */
  readonly children: readonly TableNode[];
  /** Equal for nodes that differ in nothing but what they see of the input. */
  readonly key: string;
}

/** The nodes of a model's own body. */
export function tableTree(layers: readonly CheckedLayer[]): TableNode[] {
  return nodesOf(
    layers.map((layer) => ({ layer, around: enclosuresOf(layer) })),
    0,
  );
}

interface Placed {
  readonly layer: CheckedLayer;
  /** The outermost first. */
  readonly around: readonly Enclosure[];
}

function enclosuresOf({ within }: CheckedLayer): Enclosure[] {
  const around: Enclosure[] = [];
  for (let enclosure = within; enclosure !== undefined; enclosure = enclosure.parent) around.push(enclosure);
  return around.reverse();
}

/** Splits layers into runs that stand in the same enclosure of this depth. */
function runsOf(placed: readonly Placed[], depth: number): { enclosure: Enclosure | undefined; run: Placed[] }[] {
  const runs: { enclosure: Enclosure | undefined; run: Placed[] }[] = [];
  for (const one of placed) {
    const enclosure = one.around[depth];
    const last = runs.at(-1);
    if (last !== undefined && last.enclosure === enclosure) last.run.push(one);
    else runs.push({ enclosure, run: [one] });
  }
  return runs;
}

function nodesOf(placed: readonly Placed[], depth: number): TableNode[] {
  const nodes: TableNode[] = [];
  let rounds: { name: string; text: string; nodes: TableNode[][] } | undefined;
  const closeRounds = (): void => {
    if (rounds !== undefined) for (const node of roundNodes(rounds)) push(nodes, node);
    rounds = undefined;
  };
  for (const { enclosure, run } of runsOf(placed, depth)) {
    if (enclosure?.kind !== "round" || enclosure.name !== rounds?.name) closeRounds();
    if (enclosure === undefined) layerNodes(run, nodes);
    else {
      const inside = nodesOf(run, depth + 1);
      if (enclosure.kind === "round") {
        rounds ??= { name: enclosure.name, text: enclosure.text, nodes: [] };
        rounds.nodes.push(inside);
      } else push(nodes, groupNode(enclosure, run, inside));
    }
  }
  closeRounds();
  return nodes;
}

/** Adds a node, or counts it where it follows its equal. */
function push(nodes: TableNode[], node: TableNode): void {
  const last = nodes.at(-1);
  if (last?.kind === "group" && node.kind === "group" && last.key === node.key) nodes.splice(-1, 1, joined(last, node));
  else nodes.push(node);
}

function joined(first: TableNode, second: TableNode): TableNode {
  return {
    ...first,
    times: first.times + second.times,
    parameters: first.parameters + second.parameters,
    multiplyAdds: first.multiplyAdds + second.multiplyAdds,
    output: second.output,
    receptiveField: second.receptiveField,
  };
}

function groupNode({ kind, text }: Enclosure, run: readonly Placed[], inside: readonly TableNode[]): TableNode {
  const layers = run.map(({ layer }) => layer);
  const isBranch = kind === "branch";
  // A branch of activations alone has no rows of its own, and must be seen all the same.
  const children =
    isBranch && inside.length === 0 ? [layerNode(layers.map((layer) => layer.text).join(", "), layers)] : inside;
  return { ...numbersOf(text, layers), kind: isBranch ? "branch" : "group", children, key: keyOf(text, children) };
}

const keyOf = (text: string, children: readonly TableNode[]): string =>
  `${text} { ${children.map(({ key, times }) => `${times} ${key}`).join("; ")} }`;

function numbersOf(label: string, layers: readonly CheckedLayer[]): Omit<TableNode, "kind" | "children" | "key"> {
  const last = layers.at(-1);
  return {
    label,
    times: 1,
    output: last?.outputShape ?? { channels: 0, height: 0, width: 0, flat: false },
    parameters: layers.reduce((sum, layer) => sum + countedParameters(layer), 0),
    multiplyAdds: layers.reduce((sum, layer) => sum + layer.multiplyAdds, 0),
    receptiveField: last?.receptiveField ?? { size: [1, 1], jump: [1, 1] },
  };
}

function layerNode(label: string, layers: readonly CheckedLayer[]): TableNode {
  const numbers = numbersOf(label, layers);
  const key = `${label} ${shapeText(numbers.output)} ${numbers.parameters}`;
  return { ...numbers, kind: "layer", children: [], key };
}

/** Unequal rounds are listed up to this number of rows, and are one node above it. */
const MAXIMUM_LISTED = 4;

/** Equal rounds as one node; a round that is one use of a block is counted with its neighbours. */
function roundNodes({ text, nodes: rounds }: { text: string; nodes: TableNode[][] }): TableNode[] {
  const [first = [], ...others] = rounds;
  const key = keyOf(text, first);
  const all = rounds.flat();
  if (first.length === 0 || others.length === 0) return all;
  const isUneven = others.some((round) => keyOf(text, round) !== key);
  if (isUneven ? all.length <= MAXIMUM_LISTED : first.length === 1 && first[0]?.kind === "group") return all;
  const last = all.at(-1) ?? first[0];
  if (last === undefined) return all;
  const sum = (of: (node: TableNode) => number): number => all.reduce((total, node) => total + of(node), 0);
  const { output, receptiveField } = last;
  const numbers = { parameters: sum((node) => node.parameters), multiplyAdds: sum((node) => node.multiplyAdds) };
  const [{ label } = { label: text }] = all;
  const isOne = isUneven && all.length === rounds.length && all.every((node) => node.label === label);
  const named = isOne ? { label, times: all.length } : { label: text, times: 1 };
  return [{ ...named, output, receptiveField, ...numbers, kind: "group", children: isUneven ? all : first, key }];
}

/**
 * The rows of layers in one body: one that neither has parameters nor changes the shape has no row of its own; it stands
 * in front of the next that has no parameters either.
 */
function layerNodes(run: readonly Placed[], nodes: TableNode[]): void {
  let waiting: CheckedLayer[] = [];
  for (const { layer } of run) {
    if (isMerge(layer)) nodes.push(...skips(layer, nodes));
    const hasParameters = countedParameters(layer) > 0;
    const before = hasParameters ? [] : waiting;
    waiting = isSilent(layer) ? [...before, layer] : [];
    if (waiting.length > 0) continue;
    nodes.push(layerNode([...before, layer].map(({ text }) => text).join(", "), [...before, layer]));
  }
}

function isMerge({ kind }: CheckedLayer): boolean {
  return kind === "add" || kind === "mul" || kind === "concat";
}

/** A pool that keeps the size still changes what is seen, and a merge is what its branches lead to: both have a row. */
function isSilent(layer: CheckedLayer): boolean {
  const { kind, inputShapes, outputShape } = layer;
  const [input] = inputShapes;
  if (kind === "maxPool" || kind === "averagePool" || isMerge(layer) || countedParameters(layer) > 0) return false;
  return input !== undefined && shapeText(input) === shapeText(outputShape);
}

/** Branches that hand on what arrives have no layers: what a merge reads besides the branches that have some. */
function skips({ inputs, inputShapes }: CheckedLayer, before: readonly TableNode[]): TableNode[] {
  let branches = 0;
  for (let at = before.length - 1; before[at]?.kind === "branch"; at--) branches++;
  const missing = Math.max(0, inputs.length - branches);
  const [shape] = inputShapes.slice(-1);
  if (shape === undefined) return [];
  const node: TableNode = {
    ...numbersOf("skip", []),
    output: shape,
    kind: "branch",
    children: [{ ...numbersOf("skip", []), output: shape, kind: "layer", children: [], key: "skip" }],
    key: "skip",
  };
  return Array.from({ length: missing }, () => node);
}

export function countedParameters(layer: CheckedLayer): number {
  let total = 0;
  for (const { counted, shape } of layer.parameters)
    if (counted) total += shape.reduce((product, side) => product * side, 1);
  return total;
}
