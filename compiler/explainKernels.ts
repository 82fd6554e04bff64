/**
 * The stages of a compilation that consist of kernels, as text.
 *
 * In: a compilation, and which kernels are wanted. Out: text; empty where no kernel is wanted. What holds: kernels have the
 * numbers of the plan, which are those of the files that `cnnc compile` writes.
 */
import type { Compilation, ScheduledDispatch, ScheduledKernel, ScheduledProgram } from "./compile.ts";
import { type Kernel, resolveStorage, type StoredTensor } from "./fusion/kernel.ts";
import type { Graph } from "./graph/graph.ts";
import { printNest } from "./nest/printNest.ts";
import { originText } from "./plan/names.ts";
import { printSchedule } from "./schedule/schedule.ts";
import { wrapped } from "./textLines.ts";

type IsWanted = (number: number, name: string) => boolean;

interface Section {
  readonly program: ScheduledProgram;
  readonly graph: Graph | undefined;
}

type PrintDispatch = (dispatch: ScheduledDispatch, section: Section) => string[];

const shapeText = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

/** What every kernel computes, reads and writes. */
export function printKernels(compilation: Compilation, isWanted: IsWanted): string {
  return sections(compilation, isWanted, (dispatch, section) => [
    ...dispatch.kernels.flatMap((scheduled) => [
      ...kernelHead(scheduled, dispatch),
      ...computedText(scheduled.kernel, section),
    ]),
    ...accesses(dispatch, section.program.tensors),
  ]);
}

export function printSchedules(compilation: Compilation, isWanted: IsWanted): string {
  return sections(compilation, isWanted, (dispatch) => [
    ...dispatch.kernels.flatMap((scheduled) => [
      ...kernelHead(scheduled, dispatch),
      `  ${printSchedule(scheduled.schedule)}`,
    ]),
    `  ${dispatch.lowered.nest.workgroups} workgroups of ${dispatch.lowered.nest.lanes} lanes`,
  ]);
}

export function printNests(compilation: Compilation, isWanted: IsWanted): string {
  return sections(compilation, isWanted, ({ lowered }) => printNest(lowered.nest).trimEnd().split("\n").slice(1));
}

/** The sources as they are compiled. */
export function printSources({ plan }: Compilation, isWanted: IsWanted): string {
  return plan.kernels
    .filter(({ name }, number) => isWanted(number, name))
    .map(({ file, source }) => `// ${file}.wgsl\n${source.trimEnd()}\n`)
    .join("\n");
}

/** A section a program, training first. */
function sections(compilation: Compilation, isWanted: IsWanted, print: PrintDispatch): string {
  let number = 0;
  const texts = compilation.programs.map((program) => {
    const graph = compilation.model.graphs.find(({ name }) => name === program.name);
    const kernels = program.dispatches.flatMap((dispatch) => {
      const own = number++;
      if (!isWanted(own, dispatch.name)) return [];
      const lines = print(dispatch, { program, graph }).map((line) => `   ${line}`.trimEnd());
      return [`${String(own).padStart(3)}  ${dispatch.name}`, ...lines, ""];
    });
    const { length } = program.dispatches;
    return kernels.length === 0
      ? ""
      : [`program ${program.name}: ${length} kernel${length === 1 ? "" : "s"}`, "", ...kernels].join("\n");
  });
  // The first values are many small kernels that nobody looks for.
  const [initialise = "", ...others] = texts;
  return [...others, initialise].filter((text) => text !== "").join("\n");
}

/** `for each of [64, 6, 28, 28], add over [3, 5, 5]`; with the kernel's name where a dispatch has several. */
function kernelHead({ kernel, name }: ScheduledKernel, { kernels }: ScheduledDispatch): string[] {
  const reductions = [...new Set(kernel.accumulators.map(({ operator }) => operator))].join(" and ");
  const over = kernel.extents.length > 0 ? `, ${reductions} over ${shapeText(kernel.extents)}` : "";
  const domain = `for each of ${shapeText(kernel.domain)}${over}`;
  return kernels.length > 1 ? [`- ${name}`, `  ${domain}`] : [`  ${domain}`];
}

function computedText(kernel: Kernel, section: Section): string[] {
  const found = computedIn(kernel, section);
  const words = found.map((text, i) => (i < found.length - 1 ? `${text},` : text));
  return wrapped(words, 100, "  computes ", "           ").split("\n");
}

/** Where all comes from that the kernel computes, values that are never stored included; in the order of the graph. */
function computedIn({ origins, outputs }: Kernel, { graph, program: { tensors } }: Section): string[] {
  const own = new Set(outputs.map(({ tensor }) => tensor));
  const computed = new Set<number>();
  const visit = (id: number): void => {
    const node = graph?.nodes[id];
    if (!node || computed.has(id) || (tensors.has(id) && !own.has(id))) return;
    computed.add(id);
    node.inputs.forEach(visit);
  };
  own.forEach(visit);
  const found = (graph?.nodes ?? []).filter(({ id }) => computed.has(id)).map(({ origin }) => originText(origin));
  // The parts of a divided reduction are not in the graph.
  return [...new Set(found.length > 0 ? found : origins.map(originText))];
}

/** What a kernel's bindings are: label, shape and place of each. */
function accesses({ lowered }: ScheduledDispatch, tensors: ReadonlyMap<number, StoredTensor>): string[] {
  const texts = lowered.nest.bindings.map((binding, i) => {
    const id = lowered.tensors[i] ?? -1;
    const own = tensors.get(id);
    const { tensor } = resolveStorage(tensors, id);
    const place = tensor.storage.kind === "state" ? tensor.storage.state : "workspace";
    const where = place === own?.label ? "" : ` (${place})`;
    const isRead = binding.access === "read";
    return {
      isRead,
      text: `  ${isRead ? "reads   " : "writes  "} ${own?.label ?? binding.name} ${shapeText(own?.shape ?? [])} ${binding.type}${where}`,
    };
  });
  return [...texts.filter(({ isRead }) => isRead), ...texts.filter(({ isRead }) => !isRead)].map(({ text }) => text);
}
