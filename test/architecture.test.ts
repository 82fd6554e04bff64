/**
 * The architecture as a test: directions of imports, cycles, what may be used where, and the length of files.
 *
 * It reads import lines as text; ARCHITECTURE.md tells the reasons.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { activations } from "../compiler/model/activations.ts";
import { operators } from "../compiler/operators/table.ts";
import { goldenOfLayer } from "./support/goldenGraph.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const parts = ["language", "compiler", "runtime", "cli"] as const;

interface Import {
  readonly from: string;
  /** As written. */
  readonly what: string;
  /** Another file of ours, from the root. */
  readonly file: string | undefined;
  readonly isType: boolean;
}

const posix = (path: string): string => path.replaceAll("\\", "/");
const files: readonly string[] = parts.flatMap((part) =>
  readdirSync(join(root, part), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => posix(join(part, file))),
);
const text = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));

const importLine =
  /^(?:import|export)\s+(type\s)?[^;"']*?from\s*"([^"]+)"|^import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;

function importsOf(file: string): Import[] {
  return [...(text.get(file) ?? "").matchAll(importLine)].map(([, type, named, bare, dynamic]) => {
    const what = named ?? bare ?? dynamic ?? "";
    const target = what.startsWith(".") ? posix(normalize(join(dirname(file), what))) : undefined;
    return { from: file, what, file: target, isType: type !== undefined };
  });
}

const imports = files.flatMap(importsOf);
const told = ({ from, what }: Import): string => `${from} imports ${what}`;

/** Comments become spaces. A comment's opening inside a string would confuse it; there is none in this code. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|(?<![:"'])\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, " "));
}

it("finds the files and their imports", () => {
  for (const part of parts) expect(files.filter((file) => file.startsWith(`${part}/`)).length).toBeGreaterThan(10);
  expect(imports.length).toBeGreaterThan(500);
  const missing = imports.filter(({ file }) => file !== undefined && !text.has(file));
  expect(missing.map(told)).toEqual([]);
});

describe("imports", () => {
  it("go one way: language, compiler, runtime, cli", () => {
    const rank = (file: string): number => parts.findIndex((part) => file.startsWith(`${part}/`));
    const wrong = imports.filter(({ from, file }) => file !== undefined && rank(file) > rank(from));
    expect(wrong.map(told)).toEqual([]);
  });

  /** Parts of the compiler, in the order in which data goes through them, and what each may use of the others. */
  const mayUse: Readonly<Record<string, readonly string[]>> = {
    "invariantError.ts": [],
    "target.ts": [],
    nest: ["invariantError.ts"],
    "value.ts": ["nest"],
    operators: ["nest", "value.ts"],
    graph: ["invariantError.ts", "nest", "operators"],
    model: ["graph", "operators"],
    reference: ["graph", "nest", "operators", "value.ts"],
    fusion: ["graph", "nest", "reference", "value.ts"],
    rewrite: ["graph", "operators"],
    schedule: ["fusion", "graph", "nest", "rewrite", "target.ts", "value.ts"],
    lower: ["fusion", "graph", "invariantError.ts", "nest", "schedule", "target.ts", "value.ts"],
    print: ["graph", "nest"],
    plan: ["fusion", "graph", "lower", "nest", "print", "schedule", "value.ts"],
    calibration: ["nest", "plan", "print", "target.ts"],
    tuning: ["calibration", "fusion", "invariantError.ts", "lower", "plan", "schedule", "target.ts"],
  };
  const partOf = (file: string): string => file.split("/")[1] ?? "";

  it("go one way inside the compiler", () => {
    const inside = imports.filter(({ from, file }) => from.startsWith("compiler/") && file?.startsWith("compiler/"));
    const wrong = inside.filter(({ from, file = "" }) => {
      const [user, used] = [partOf(from), partOf(file)];
      // Other files beside the folders put the parts together; no part may use them.
      const isWhole = user.endsWith(".ts") && !(user in mayUse);
      return user !== used && !isWhole && !mayUse[user]?.includes(used);
    });
    expect(wrong.map(told)).toEqual([]);
    // The table itself has a direction: every part uses earlier ones only.
    const order = Object.keys(mayUse);
    for (const [user, all] of Object.entries(mayUse))
      for (const used of all) expect(order.indexOf(used), `${user} uses ${used}`).toBeLessThan(order.indexOf(user));
  });

  it("the compiler reads the language's result in model/ alone", () => {
    const readers = imports.filter(({ from, file }) => from.startsWith("compiler/") && file?.startsWith("language/"));
    const wrong = readers.filter(
      ({ from, isType }) => partOf(from) !== "model" && !(from === "compiler/compile.ts" && isType),
    );
    expect(wrong.map(told)).toEqual([]);
  });

  function cycles(of: readonly Import[]): string[] {
    const next = new Map<string, string[]>();
    for (const { from, file } of of) if (file !== undefined) next.set(from, [...(next.get(from) ?? []), file]);
    const found: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(" > "));
      if (done.has(file) || path.includes(file)) return;
      for (const target of next.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of next.keys()) visit(file, []);
    return found;
  }

  it("have no cycles", () => {
    expect(cycles(imports.filter(({ isType }) => !isType))).toEqual([]);
    // Nor do types below the command line, whose commands and their work describe each other's options.
    expect(cycles(imports.filter(({ from }) => !from.startsWith("cli/")))).toEqual([]);
  });

  it("a cycle would be found", () => {
    const edge = (from: string, file: string): Import => ({ from, what: file, file, isType: false });
    expect(cycles([edge("a", "b"), edge("b", "c"), edge("c", "b")])).toEqual(["b > c > b"]);
  });
});

describe("language, compiler and what a page has of the runtime run in a browser", () => {
  /** All files that a file needs when it runs, itself included. */
  function needed(file: string, found = new Set<string>()): Set<string> {
    if (found.has(file)) return found;
    found.add(file);
    for (const { from, file: used, isType } of imports) if (from === file && used && !isType) needed(used, found);
    return found;
  }
  const page = needed("runtime/browser/index.ts");
  const isPortable = (file: string): boolean => /^(?:language|compiler)\//.test(file) || page.has(file);

  it("a page has the CPU device, and not that of Node.js", () => {
    expect(page).toContain("runtime/device/cpu/session.ts");
    expect(page).not.toContain("runtime/device/cpu/cpuDevice.ts");
  });

  it("they import nothing but the parser's library", () => {
    const foreign = imports.filter(({ from, file }) => isPortable(from) && file === undefined);
    const wrong = foreign.filter(({ from, what }) => !(from.startsWith("language/") && what === "chevrotain"));
    expect(wrong.map(told)).toEqual([]);
  });

  it("they use no global of Node, of WebGPU or of the network", () => {
    const global = /(?<![\w.])(?:process\.|require\(|__dirname|navigator\.|await fetch\(|console\.)|\bBuffer\.from\b/;
    const wrong = files.filter((file) => isPortable(file) && global.test(withoutComments(text.get(file) ?? "")));
    expect(wrong).toEqual([]);
  });
});

describe("what comes after the operator table knows no layer and no operator", () => {
  const blind = ["fusion", "schedule", "lower", "nest", "print", "plan"].map((folder) => `compiler/${folder}/`);
  const sources = files
    .filter((file) => blind.some((folder) => file.startsWith(folder)))
    .map((file) => [file, withoutComments(text.get(file) ?? "")] as const);

  /** Names that are also words of index expressions and scalars, and the views, which have no kernel. */
  const shared = new Set(["state", "part", "pack", "reshape", "map", "reduce", "add", "mul", "tanh"]);
  const names = [...Object.keys(operators), ...Object.keys(goldenOfLayer), ...Object.keys(activations), "sgd", "adam"];
  const refused = new Set(names.filter((name) => !shared.has(name)));
  /** Code that treats something by its name has the name as a string. */
  const namesIn = (source: string): string[] =>
    [...source.matchAll(/"([^"\n]*)"/g)].map(([, word = ""]) => word).filter((word) => refused.has(word));

  /** Words that mean a layer wherever they stand. */
  const telling = /^(?:conv|convolutions?|pool|pooling|relu|dropout|softmax|batchnorm|entropy|adam|sgd)$/i;
  const wordsIn = (source: string): string[] =>
    (source.match(/[A-Za-z_]\w*/g) ?? [])
      .flatMap((word) => word.split(/(?=[A-Z])|_/))
      .filter((word) => telling.test(word));

  it("by their names", () => {
    const wrong = sources.flatMap(([file, source]) => namesIn(source).map((name) => `${file}: "${name}"`));
    expect(wrong).toEqual([]);
    expect(sources.length).toBeGreaterThan(30);
  });

  it("by other words", () => {
    const wrong = sources.flatMap(([file, source]) => wordsIn(source).map((word) => `${file}: ${word}`));
    expect(wrong).toEqual([]);
  });

  it("they would be found", () => {
    const source = 'if (node.operator === "conv") convInput(pool_sizes, "batchNorm"); // f32.convert_i32_s';
    expect(namesIn(source)).toEqual(["conv", "batchNorm"]);
    expect(wordsIn(source)).toEqual(["conv", "conv", "pool"]);
  });
});

it("files have at most 400 lines", () => {
  const long = files.filter((file) => (text.get(file) ?? "").trimEnd().split("\n").length > 400);
  expect(long).toEqual([]);
});
