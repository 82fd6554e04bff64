/**
 * The stages of a compilation as text, for reading.
 *
 * In: a compilation. Out: lines; the same program gives the same text. Nodes are `%number`, shapes `[2, 3]`.
 */
import type { Compilation } from "./compile.ts";
import { printKernels, printNests, printSchedules, printSources } from "./explainKernels.ts";
import { type Graph, InvariantError, type Node } from "./graph/graph.ts";
import type { Formula } from "./operators/formula.ts";
import { operators } from "./operators/table.ts";
import { originText } from "./plan/names.ts";
import type { ExecutionPlan } from "./plan/plan.ts";
import { wrapped } from "./textLines.ts";

interface StagePrinter {
  /** What a reader needs to know first; `# ` lines at the head. */
  readonly about: string;
  /** Of the kernels that `isWanted` has, where the stage has kernels. */
  readonly print: (compilation: Compilation, isWanted: (number: number, name: string) => boolean) => string;
  readonly hasKernels: boolean;
}

const stages = {
  graph: {
    about: "The model as operators, as `predict` computes it. %number = operator(inputs) [shape] type # layer (line)",
    print: (compilation) => printGraph(graphOf(compilation, "predict")),
    hasKernels: false,
  },
  gradients: {
    about: "A whole training step: forward, loss, gradients from the last layer to the first, optimizer, metrics.",
    print: (compilation) => printGraph(graphOf(compilation, "trainStep")),
    hasKernels: false,
  },
  kernels: {
    about: "What each dispatch computes for every element of its domain. What it needs and does not read, it computes.",
    print: printKernels,
    hasKernels: true,
  },
  schedule: {
    about:
      "How each kernel's axes are cut. d0 d1 ... are the axes of the domain, r0 r1 ... those of the reduction; axis:step " +
      "goes on by so much at a time. grid: one place a workgroup; threads: spread over lanes; loops: one after the " +
      "other; vector: the lanes of a SIMD register. What remains of an axis is unrolled into registers.",
    print: printSchedules,
    hasKernels: true,
  },
  nest: {
    about: "The loops that both printers read; `lane` is an invocation of WebGPU, or a lane of a SIMD register.",
    print: printNests,
    hasKernels: true,
  },
  wgsl: {
    about: "The kernels as WebGPU takes them.",
    print: printSources,
    hasKernels: true,
  },
  plan: {
    about: "Memory and dispatches: all that a device needs besides the kernels. Places are in bytes: buffer+offset.",
    print: ({ plan }) => printPlan(plan),
    hasKernels: false,
  },
} satisfies Record<string, StagePrinter>;

export type Stage = keyof typeof stages;

/** Whether a stage consists of kernels, of which some can be chosen. */
export function hasKernels(stage: Stage): boolean {
  return stages[stage].hasKernels;
}

/**
 * The text of one stage, with a line break at its end. `kernel` chooses from the stages of kernels: a number of the plan,
 * or a part of a name; where no kernel has it, the text is empty.
 */
export function explainStage(compilation: Compilation, stage: Stage, kernel?: string): string {
  const { about, print } = stages[stage];
  const text = print(compilation, chooser(kernel)).trimEnd();
  const comment = stage === "wgsl" ? "//" : "#";
  return text === "" ? "" : `${wrapped(about.split(" "), 100, `${comment} `)}\n\n${text}\n`;
}

function chooser(kernel: string | undefined): (number: number, name: string) => boolean {
  if (kernel === undefined) return () => true;
  if (/^\d+$/.test(kernel)) return (number) => number === Number(kernel);
  return (_, name) => name.toLowerCase().includes(kernel.toLowerCase());
}

function graphOf(compilation: Compilation, name: string): Graph {
  const found = compilation.model.graphs.find((graph) => graph.name === name);
  if (!found) throw new InvariantError(`there is no graph ${name}`);
  return found;
}

const shapeText = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

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
