/**
 * The stages of a compilation as text, for reading.
 *
 * In: a compilation. Out: lines; the same program gives the same text. Nodes are `%number`, shapes `[2, 3]`.
 */
import type { Compilation, ScheduledDispatch, ScheduledKernel, ScheduledProgram } from "./compile.ts";
import type { StoredTensor } from "./fusion/kernel.ts";
import { type Graph, InvariantError, type Node, type Origin } from "./graph/graph.ts";
import { resolveStorage } from "./lower/bindings.ts";
import { printNest } from "./nest/printNest.ts";
import type { Formula } from "./operators/formula.ts";
import { operators } from "./operators/table.ts";
import type { ExecutionPlan } from "./plan/plan.ts";
import { printSchedule } from "./schedule/schedule.ts";

const stages = {
  graph: (compilation) => printGraph(graphOf(compilation, "predict")),
  gradients: (compilation) => printGraph(graphOf(compilation, "trainStep")),
  kernels: (compilation) => sections(compilation, printKernels),
  schedule: (compilation) => sections(compilation, printSchedules),
  wgsl: ({ plan }) => plan.kernels.map(({ file, source }) => `// ${file}.wgsl\n${source.trimEnd()}\n`).join("\n"),
  plan: ({ plan }) => printPlan(plan),
} satisfies Record<string, (compilation: Compilation) => string>;

export type Stage = keyof typeof stages;

/** The text of one stage, with a line break at its end. */
export function explainStage(compilation: Compilation, stage: Stage): string {
  return `${stages[stage](compilation).trimEnd()}\n`;
}

function graphOf(compilation: Compilation, name: string): Graph {
  const found = compilation.model.graphs.find((graph) => graph.name === name);
  if (!found) throw new InvariantError(`there is no graph ${name}`);
  return found;
}

const shapeText = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

function originText({ layer, line, role }: Origin): string {
  return `${layer}${line > 0 ? ` (line ${line})` : ""}${role === "forward" ? "" : `: ${role}`}`;
}

/** `%12 = conv(%3, %7) [64, 6, 28, 28]   # conv1 (line 4)`; formulas and attributes where they say something. */
export function printGraph(graph: Graph): string {
  const rows = graph.nodes.map((node) => [
    nodeText(node),
    `${shapeText(node.shape)} ${node.type}`,
    originText(node.origin),
  ]);
  const widths = [0, 1].map((column) => Math.min(70, Math.max(0, ...rows.map((row) => row[column]?.length ?? 0))));
  const lines = rows.map(
    ([text = "", shape = "", origin = ""]) =>
      `  ${text.padEnd(widths[0] ?? 0)}  ${shape.padEnd(widths[1] ?? 0)}  # ${origin}`,
  );
  const updates = graph.updates.map(({ state, value }) => `  ${state.name} := %${value}`);
  const used = [...new Set(graph.nodes.map(({ operator }) => operator))].filter((name) => name !== "state");
  const legend = used.map((name) => `  ${name}: ${operators[name].summary}`);
  return [
    `graph ${graph.name}`,
    ...lines,
    ...(updates.length > 0 ? ["", "at the end", ...updates] : []),
    "",
    "operators",
    ...legend,
    "",
  ].join("\n");
}

function nodeText(node: Node): string {
  const inputs = node.inputs.map((id) => `%${id}`).join(", ");
  if (node.operator === "state") return `%${node.id} = state ${node.attributes.name}`;
  if (node.operator === "map")
    return `%${node.id} = ${printFormula(
      node.attributes.formula,
      node.inputs.map((id) => `%${id}`),
    )}`;
  const details = Object.entries(node.attributes).map(([name, value]) => `${name} ${detailText(value)}`);
  const attributes = details.length > 0 ? ` {${details.join(", ")}}` : "";
  return `%${node.id} = ${node.operator}(${inputs})${attributes}`;
}

function detailText(value: unknown): string {
  if (Array.isArray(value)) return value.length > 4 ? `[${value.length} numbers]` : value.join("x");
  if (typeof value === "object" && value !== null) return Object.values(value).join("/");
  return String(value);
}

const symbols = { add: "+", subtract: "-", multiply: "*", divide: "/" } as const;
const comparisons = {
  less: "<",
  lessEqual: "<=",
  equal: "==",
  notEqual: "!=",
  greater: ">",
  greaterEqual: ">=",
} as const;

/** A formula in the notation of arithmetic, its arguments by the names given. */
export function printFormula(formula: Formula, names: readonly string[]): string {
  const recur = (of: Formula): string => printFormula(of, names);
  const inner = (of: Formula): string => {
    const compound = (of.kind === "binary" && of.operator in symbols) || of.kind === "choose";
    return compound ? `(${recur(of)})` : recur(of);
  };
  switch (formula.kind) {
    case "argument":
      return names[formula.number] ?? `argument ${formula.number}`;
    case "constant":
      return String(Number(formula.value.toPrecision(7)));
    case "coordinate":
      return `axis${formula.axis}`;
    case "random":
      return `random(stream ${formula.stream})`;
    case "unary":
      return `${formula.operator}(${recur(formula.operand)})`;
    case "binary": {
      const { operator, left, right } = formula;
      if (operator in symbols) return `${inner(left)} ${symbols[operator as keyof typeof symbols]} ${inner(right)}`;
      return `${operator}(${recur(left)}, ${recur(right)})`;
    }
    case "choose": {
      const test = `${inner(formula.left)} ${comparisons[formula.operator]} ${inner(formula.right)}`;
      return `${test} ? ${inner(formula.then)} : ${inner(formula.otherwise)}`;
    }
  }
}

/** A section a program, training first; kernels have the numbers of the plan. */
function sections(compilation: Compilation, print: (program: ScheduledProgram, first: number) => string[]): string {
  let count = 0;
  const texts = compilation.programs.map((program) => {
    const first = count;
    count += program.dispatches.length;
    return [`program ${program.name}: ${program.dispatches.length} kernels`, "", ...print(program, first)].join("\n");
  });
  // The first values are many small kernels that nobody looks for.
  const [initialise = "", ...others] = texts;
  return [...others, initialise].join("\n\n");
}

const numbered = (number: number, name: string): string => `${String(number).padStart(3)}  ${name}`;

function printKernels(program: ScheduledProgram, first: number): string[] {
  return program.dispatches.flatMap((dispatch, i) => {
    const { reads, writes } = accesses(dispatch, program.tensors);
    return [
      numbered(first + i, dispatch.name),
      ...dispatch.kernels.flatMap((scheduled) => printKernel(scheduled, dispatch.kernels.length > 1)),
      ...reads.map((line) => `     reads    ${line}`),
      ...writes.map((line) => `     writes   ${line}`),
      "",
    ];
  });
}

function printKernel({ kernel, name }: ScheduledKernel, isOneOfMany: boolean): string[] {
  const computes = [...new Set(kernel.origins.map(originText))];
  const reduction = kernel.accumulators.map(({ operator }) => operator).join(", ");
  const over = kernel.extents.length > 0 ? `, over ${shapeText(kernel.extents)}: ${reduction}` : "";
  return [
    ...(isOneOfMany ? [`     ${name}`] : []),
    `     for each of ${shapeText(kernel.domain)}${over}`,
    ...(computes.length > 1 ? computes.map((line) => `     computes ${line}`) : []),
  ];
}

/** What a kernel's bindings are: label and shape of each. */
function accesses(
  { lowered }: ScheduledDispatch,
  tensors: ReadonlyMap<number, StoredTensor>,
): { reads: string[]; writes: string[] } {
  const reads: string[] = [];
  const writes: string[] = [];
  lowered.nest.bindings.forEach((binding, i) => {
    const id = lowered.tensors[i] ?? -1;
    const own = tensors.get(id);
    const { tensor } = resolveStorage(tensors, id);
    const place = tensor.storage.kind === "state" ? tensor.storage.state : "workspace";
    const text = `${own?.label ?? binding.name} ${shapeText(own?.shape ?? [])} ${binding.type} (${place})`;
    (binding.access === "read" ? reads : writes).push(text);
  });
  return { reads, writes };
}

function printSchedules(program: ScheduledProgram, first: number): string[] {
  return program.dispatches.flatMap(({ name, kernels, lowered }, i) => [
    numbered(first + i, name),
    ...kernels.map(({ schedule }) => `     ${printSchedule(schedule)}`),
    "",
    ...printNest(lowered.nest)
      .trimEnd()
      .split("\n")
      .map((line) => (line === "" ? "" : `     ${line}`)),
    "",
  ]);
}

/** Buffers, named states and the dispatch lists. */
export function printPlan(plan: ExecutionPlan): string {
  const grouped = (bytes: number): string => bytes.toLocaleString("en").padStart(12);
  const buffers = plan.buffers.map(
    ({ name, bytes }, i) => `  ${String(i).padStart(2)}  ${grouped(bytes)} bytes  ${name}`,
  );
  const states = Object.entries(plan.tensors).map(
    ([name, { buffer, offset, type, shape }]) => `  ${name} ${type}${shapeText(shape)}: buffer ${buffer} at ${offset}`,
  );
  const programs = Object.entries(plan.programs).flatMap(([name, dispatches]) => [
    "",
    `program ${name}: ${dispatches.length} dispatches`,
    ...dispatches.map(({ kernel, bindings }) => {
      const { name: kernelName = "", workgroups = 0 } = plan.kernels[kernel] ?? {};
      const places = bindings.map(({ buffer, offset }) => `${buffer}+${offset}`).join(" ");
      return `  ${String(kernel).padStart(3)}  ${kernelName}: ${workgroups} workgroups, bindings ${places}`;
    }),
  ]);
  return [
    `plan version ${plan.version} for ${plan.target}`,
    "",
    "buffers",
    ...buffers,
    "",
    "states",
    ...states,
    ...programs,
  ].join("\n");
}
