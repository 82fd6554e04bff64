/**
 * The WGSL printer: a loop nest becomes a compute shader that people can read.
 *
 * In: a verified nest. Out: its WGSL and the features that it needs. What holds: binding i of the nest is
 * `@group(0) @binding(i)`, always `read_write` (the plan binds several ranges of one buffer, and WebGPU forbids mixing
 * read-only and writable uses of a buffer in a dispatch); the entry point is `main`; names are the nest's.
 */
import type { LoopNest, Scratch, Statement } from "../../nest/loopNest.ts";
import { laneName, subgroupLaneName, workgroupName } from "../../nest/loopNest.ts";
import { storedBuffers, verifyNest } from "../../nest/verifyNest.ts";
import { InvariantError } from "../../graph/graph.ts";
import { helperText } from "./helpers.ts";
import type { Layout } from "./layout.ts";
import { countAccesses } from "../../nest/countAccesses.ts";
import { collectUses } from "./layout.ts";
import { createNamer } from "./names.ts";
import type { Printer, WgslOptions } from "./state.ts";
import { layoutOf, localName, zeroName } from "./state.ts";
import { printBlock } from "./statements.ts";

/** WebGPU's limit of workgroups in one dimension. */
const largestDimension = 65535;

/** The `[x, y]` to dispatch for a number of workgroups; the kernel itself skips those beyond. */
export function workgroupGrid(workgroups: number): [x: number, y: number] {
  return [Math.min(workgroups, largestDimension), Math.ceil(workgroups / largestDimension)];
}

export interface PrintedWgsl {
  readonly source: string;
  /** WGSL features that the kernel needs. */
  readonly features: "subgroups"[]; // prettier-ignore
}

/** Prints nests with the same options: those of one body once, since they differ in their heads only. */
export function createWgslPrinter(options: WgslOptions): (nest: LoopNest) => PrintedWgsl {
  const known = new WeakMap<LoopNest["body"], Sections>();
  return (nest) => {
    const sections = known.get(nest.body) ?? printSections(nest, options);
    known.set(nest.body, sections);
    return assemble(nest, sections);
  };
}

/**
 * Prints a nest as WGSL. `options` tell whether the device has subgroups of one fixed size; a nest that broadcasts
 * or uses `subgroupLane` needs them (`InvariantError` otherwise).
 */
export function printWgsl(nest: LoopNest, options: WgslOptions): PrintedWgsl {
  return assemble(nest, printSections(nest, options));
}

interface Sections {
  /** All that stands below the head. */
  readonly text: string;
  readonly features: PrintedWgsl["features"];
  readonly usesWrapping: boolean;
}

function assemble(nest: LoopNest, { text, features, usesWrapping }: Sections): PrintedWgsl {
  return { source: `${head(nest, usesWrapping)}\n\n${text}\n`, features };
}

function printSections(nest: LoopNest, options: WgslOptions): Sections {
  verifyNest(nest);
  const draft = createPrinter(nest, options, undefined);
  printBlock(draft, nest.body);
  const usedOnce = new Set([...draft.sumUses].filter(([, count]) => count === 1).map(([key]) => key));
  const printer = createPrinter(nest, options, usedOnce);
  const body = printBlock(printer, nest.body);
  const usesLane = { [laneName]: uses(body, laneName), [subgroupLaneName]: uses(body, subgroupLaneName) };
  if (usesLane[subgroupLaneName] && !(options.subgroups && options.subgroupSize > 0))
    throw new InvariantError(`${nest.name}: the nest counts lanes of subgroups, but their size is not known`);
  const needsSubgroups = printer.usesSubgroups || usesLane[subgroupLaneName] === true;
  const sections = [
    needsSubgroups ? "enable subgroups;" : "",
    declarations(printer),
    ...[...printer.helpers].map((name) =>
      helperText(name, { lanes: nest.lanes, subgroupSize: options.subgroups ? options.subgroupSize : 0 }),
    ),
    entryPoint(printer, body),
  ];
  const { usesWrapping } = printer;
  return { text: sections.filter(Boolean).join("\n\n"), features: needsSubgroups ? ["subgroups"] : [], usesWrapping };
}

function createPrinter(nest: LoopNest, options: WgslOptions, usedOnce: ReadonlySet<string> | undefined): Printer {
  const reserved = [workgroupName, laneName, subgroupLaneName, zeroName, localName];
  return {
    nest,
    options,
    namer: createNamer([...reserved, ...namesOf(nest)]),
    ...collectUses(nest),
    written: storedBuffers(nest.body),
    isRepeated: false,
    accesses: countAccesses(nest.body, nest.scratch),
    stored: storedBuffers(nest.body),
    helpers: new Set(),
    blocks: [],
    depths: new Map(reserved.map((name) => [name, 0])),
    variables: new Set(),
    changingLoads: 0,
    sumUses: new Map(),
    usedOnce,
    usesSubgroups: false,
    usesWrapping: false,
  };
}

function namesOf(nest: LoopNest): string[] {
  const names = [...nest.bindings, ...nest.scratch].map(({ name }) => name);
  const visit = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === "let" || statement.kind === "variable") names.push(statement.name);
      if (statement.kind === "letIndex" || statement.kind === "loop") names.push(statement.variable.name);
      if (statement.kind === "loop" || statement.kind === "if") visit(statement.body);
    }
  };
  visit(nest.body);
  return names;
}

function uses(lines: readonly string[], name: string): boolean {
  const word = new RegExp(`\\b${name}\\b`);
  return lines.some((line) => word.test(line));
}

function head(nest: LoopNest, usesWrapping: boolean): string {
  const size = `${nest.workgroups} workgroup${nest.workgroups === 1 ? "" : "s"} of ${nest.lanes} lane${nest.lanes === 1 ? "" : "s"}`;
  const lines = [nest.name, ...nest.header, size];
  if (usesWrapping) lines.push("Integers are unsigned: what is below zero wraps to a large number.");
  return lines.map((line) => `// ${line}`.trimEnd()).join("\n");
}

const elementTypes: Readonly<Record<Layout, string>> = {
  scalar: "f32",
  quads: "vec4f",
  words: "u32",
  bytes: "u32",
};

function declarations(printer: Printer): string {
  const { nest, namer } = printer;
  const lines = nest.bindings.map(({ name, type, length, access }, i) => {
    const element = elementTypes[layoutOf(printer, name)];
    const note = `${access === "read" ? "read" : "read and written"}: ${type}[${length}]`;
    return `@group(0) @binding(${i}) var<storage, read_write> ${namer.of(name)}: array<${element}>; // ${note}`;
  });
  for (const scratch of nest.scratch)
    if (!scratch.perLane) lines.push(`var<workgroup> ${namer.of(scratch.name)}: ${scratchType(printer, scratch)};`);
  return lines.join("\n");
}

function scratchType(printer: Printer, { name, length }: Scratch): string {
  const quads = layoutOf(printer, name) === "quads";
  return quads ? `array<vec4f, ${Math.ceil(length / 4)}>` : `array<f32, ${length}>`;
}

function entryPoint(printer: Printer, body: readonly string[]): string {
  const { nest } = printer;
  const [, rows] = workgroupGrid(nest.workgroups);
  const guard =
    rows === 1
      ? [`let ${workgroupName} = workgroupId.x;`]
      : [
          `let ${workgroupName} = workgroupId.x + ${largestDimension}u * workgroupId.y;`,
          `if (${workgroupName} >= ${nest.workgroups}u) {`,
          "  return;",
          "}",
        ];
  const needsWorkgroup = rows > 1 || uses(body, workgroupName);
  const needsZero = uses(body, zeroName);
  // Dispatches have two dimensions.
  const zero = needsZero ? [`let ${zeroName} = workgroupId.z;`] : [];
  const memories = nest.scratch.flatMap((scratch) =>
    scratch.perLane ? [`var ${printer.namer.of(scratch.name)}: ${scratchType(printer, scratch)};`] : [],
  );
  // Workgroups have one dimension. lavapipe works out local_invocation_index by forty divisions, a coordinate by eight.
  const lane = uses(body, laneName) ? [`let ${laneName} = ${localName}.x;`] : [];
  const lines = [...(needsWorkgroup ? guard : []), ...lane, ...zero, ...memories, ...body];
  const inputs = [
    ...(needsWorkgroup || needsZero ? ["  @builtin(workgroup_id) workgroupId: vec3u,"] : []),
    ...(lane.length > 0 ? [`  @builtin(local_invocation_id) ${localName}: vec3u,`] : []),
    ...(uses(lines, subgroupLaneName) ? [`  @builtin(subgroup_invocation_id) ${subgroupLaneName}: u32,`] : []),
  ];
  const signature = inputs.length > 0 ? ["fn main(", ...inputs, ") {"] : ["fn main() {"];
  return [
    `@compute @workgroup_size(${nest.lanes})`,
    ...signature,
    ...lines.map((line) => `  ${line}`.trimEnd()),
    "}",
  ].join("\n");
}
