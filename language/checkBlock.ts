/**
 * Checking the use of a block.
 *
 * In: a call whose name is a block's, and what arrives. Out: what leaves the block's body, checked with the values of its
 * parameters. What holds: a block is checked anew at each use, for the shape that arrives there; what is reported in it
 * tells which use led there; a block that uses itself is reported, not opened.
 */
import type { Enclosure, Shape, Span } from "./checkedProgram.ts";
import { shapeText } from "./checkedProgram.ts";
import { isLayer, isPlainLayer, isStatement } from "./checkLayer.ts";
import type { Note } from "./diagnostic.ts";
import { evaluate, printEvaluated, type Evaluated } from "./expressions.ts";
import { layerCatalogue } from "./layerCatalogue.ts";
import type { ParameterType } from "./parameterTypes.ts";
import { bind, type Parameter, type Parameters, type Signature } from "./signature.ts";
import { meant } from "./suggest.ts";
import type { BlockDeclaration, Call, ParameterDeclaration } from "./syntaxTree.ts";
import {
  createWalk,
  deeper,
  headOf,
  layerNames,
  lost,
  namesOf,
  nextName,
  whereIs,
  NOWHERE,
  type Block,
  type Blocks,
  type Flow,
  type Opened,
  type Place,
  type Session,
  type Variable,
  type Walk,
} from "./walk.ts";

/** Words that layers take as values, and that a block may hand on: `same`, `on`, `global`. */
const valueWords: ReadonlySet<string> = new Set(
  layerCatalogue.flatMap((entry) =>
    [...Object.values(entry.arguments), ...Object.values(entry.options)].flatMap(({ type }) => type.words),
  ),
);

/** Layers that a block may be handed, to stand where its parameter stands: `relu`. */
const plainLayers: readonly string[] = layerCatalogue.map(({ words }) => words).filter(isPlainLayer);

const LITERALS = { string: "a string", matrix: "a matrix", maps: "maps with a size" } as const;

const isValueWord = (word: string): boolean => valueWords.has(word) || plainLayers.includes(word);

/** What a block's parameter takes. */
const anyValue: ParameterType<Evaluated> = {
  describe: "a number, a size or a word such as `same` or `relu`",
  words: [],
  takes: isValueWord,
  many: false,
  read: ([value], scope, what) => {
    const { span } = value;
    if (value.kind === "string" || value.kind === "matrix" || value.kind === "maps") {
      const message = `expected ${anyValue.describe} for ${what}`;
      return scope.report({ code: "CNN206", message, span, label: `this is ${LITERALS[value.kind]}` });
    }
    const found = evaluate(value, scope);
    if (found?.kind !== "word" || isValueWord(found.text)) return found;
    return scope.report({
      code: "CNN216",
      message: `\`${found.text}\` is not defined`,
      span,
      label: `expected ${anyValue.describe}`,
      ...(isLayer(found.text)
        ? { help: "only the name of a layer that needs no arguments can be a value" }
        : meant(found.text, [...scope.names.keys(), ...valueWords, ...plainLayers], span)),
    });
  },
  print: printEvaluated,
};

/** The parameters of a block are its arguments, in order, and its options, by name. */
export function blockSignature({ name, parameters }: BlockDeclaration): Signature {
  const entries = parameters.map(({ name: { text }, default: value }): [string, Parameter<unknown>] => [
    text,
    {
      type: anyValue,
      doc: "",
      required: value === undefined,
      default: undefined,
      defaultText: "",
    } as Parameter<unknown>,
  ]);
  const all: Parameters = Object.fromEntries(entries);
  return { words: name.text, arguments: all, options: all };
}

/** Checks the use of a block. */
export function checkBlock(call: Call, block: Block, flow: Flow, place: Place): Flow {
  const { walk, report, names } = place;
  const { declaration, signature, visible } = block;
  const { session } = walk;
  session.used.add(declaration);
  const head = headOf(call);
  const name = nextName(place.naming, declaration.name.text);
  if (isOpen(place.opened, declaration)) return reportRecursion(call, place, flow);
  const bound = bind(call, signature, { names, input: flow.shape, report }, (word) => isStatement(word, place));
  const inside = deeper(place, head);
  // Where the call is wrong, the block itself is looked at once, for what does not depend on the call.
  if (inside === undefined || (bound === undefined && session.reached.has(declaration.body))) return lost(place, flow);
  const arriving = bound === undefined ? lost(place, flow) : flow;
  const variables = readParameters(declaration, bound?.values, arriving, inside);
  const known = walk.whole ? undefined : lostUse(declaration, variables, arriving, walk);
  if (known !== undefined) return lost(place, arriving, known.shape);
  const text = usedText(declaration, variables, bound?.spans);
  const note: Note = { message: useNote(text, declaration, variables, arriving.shape), span: head };
  const within: Enclosure = { kind: "block", name, text, index: 0, ...whereIs(head, session), parent: place.within };
  const flowOut = walk.body(declaration.body, arriving, {
    ...inside,
    report: (given) => report({ ...given, notes: [...(given.notes ?? []), note] }),
    names: namesOf(variables, session),
    blocks: visible,
    naming: layerNames(`${name}.`),
    within,
    opened: { block: declaration, outer: place.opened },
  });
  if (!walk.whole) rememberUse(declaration, variables, arriving, flowOut.shape, walk);
  return bound === undefined ? lost(place, flow) : flowOut;
}

function keyOfUse(variables: ReadonlyMap<string, Variable>, { shape }: Flow): string {
  const values = [...variables.values()].map(print);
  return [shape === undefined ? "?" : shapeText(shape), ...values].join(" ");
}

function lostUse(
  block: BlockDeclaration,
  variables: ReadonlyMap<string, Variable>,
  flow: Flow,
  { lostUses }: Walk,
): { shape: Shape | undefined } | undefined {
  const uses = lostUses.get(block);
  const key = keyOfUse(variables, flow);
  return uses?.has(key) === true ? { shape: uses.get(key) } : undefined;
}

function rememberUse(
  block: BlockDeclaration,
  variables: ReadonlyMap<string, Variable>,
  flow: Flow,
  shape: Shape | undefined,
  { lostUses }: Walk,
): void {
  const uses = lostUses.get(block) ?? new Map<string, Shape | undefined>();
  lostUses.set(block, uses.set(keyOfUse(variables, flow), shape));
}

function isOpen(opened: Opened | undefined, block: BlockDeclaration): boolean {
  for (let open = opened; open !== undefined; open = open.outer) if (open.block === block) return true;
  return false;
}

function reportRecursion({ name: { text, span } }: Call, place: Place, flow: Flow): Flow {
  const through: string[] = [];
  for (let open = place.opened; open !== undefined && open.block.name.text !== text; open = open.outer)
    through.unshift(`\`${open.block.name.text}\``);
  place.report({
    code: "CNN222",
    message: `the block \`${text}\` uses itself`,
    span,
    label: through.length === 0 ? "inside of itself" : `by way of ${through.join(", ")}`,
    help: "`repeat` repeats layers; a block cannot use itself",
  });
  return lost(place, flow);
}

/** Each parameter's value: as given, else its default, which may depend on the parameters before it and on what arrives. */
function readParameters(
  { parameters }: BlockDeclaration,
  given: Readonly<Record<string, unknown>> | undefined,
  flow: Flow,
  { report, walk: { session } }: Place,
): Map<string, Variable> {
  const variables = new Map<string, Variable>();
  const scope = { names: namesOf(variables, session), input: flow.shape, report };
  for (const declaration of parameters) {
    const { name, default: expression } = declaration;
    // The signature has read each value as one of `anyValue`.
    const value = given?.[name.text] as Evaluated | undefined;
    const fallback = value === undefined && given !== undefined && expression !== undefined;
    variables.set(name.text, { declaration, value: fallback ? evaluate(expression, scope) : value });
  }
  return variables;
}

const print = (variable: Variable | undefined): string =>
  variable?.value === undefined ? "?" : printEvaluated(variable.value);

/** `basic 32 stride 2` */
function usedText(
  { name, parameters }: BlockDeclaration,
  variables: ReadonlyMap<string, Variable>,
  given: ReadonlyMap<string, Span> | undefined,
): string {
  const required = parameters.filter((parameter) => parameter.default === undefined);
  const chosen = parameters.filter((parameter) => parameter.default !== undefined && given?.has(parameter.name.text));
  const value = (parameter: ParameterDeclaration): string => print(variables.get(parameter.name.text));
  const positional = required.map(value).join(", ");
  const named = chosen.map((parameter) => `${parameter.name.text} ${value(parameter)}`);
  return [name.text, positional, ...named].filter((word) => word !== "").join(" ");
}

/** ``in `basic 32 stride 2`, used here: 16@32x32 arrives, width = 32, stride = 2`` */
function useNote(
  text: string,
  { parameters }: BlockDeclaration,
  variables: ReadonlyMap<string, Variable>,
  shape: Shape | undefined,
): string {
  const arrives = shape === undefined ? [] : [`${shapeText(shape)} arrives`];
  const values = parameters.slice(0, 8).flatMap(({ name }) => {
    const variable = variables.get(name.text);
    return variable?.value === undefined ? [] : [`${name.text} = ${print(variable)}`];
  });
  const details = [...arrives, ...values].join(", ");
  return `in \`${text}\`, used here${details === "" ? "" : `: ${details}`}`;
}

/** Checks a block that nothing uses, for what depends neither on its parameters nor on what arrives. */
export function checkUnusedBlock(
  declaration: BlockDeclaration,
  blocks: Blocks,
  session: Session,
  body: Walk["body"],
): void {
  const walk: Walk = { ...createWalk(session, body), whole: false };
  const variables = new Map<string, Variable>();
  const place: Place = {
    walk,
    report: session.report,
    names: namesOf(variables, session),
    blocks,
    naming: layerNames(""),
    within: undefined,
    opened: { block: declaration, outer: undefined },
    depth: 1,
  };
  for (const [name, variable] of readParameters(declaration, {}, NOWHERE, place)) {
    // Its default may be right where it is not used, and wrong where it would be.
    variables.set(name, { ...variable, value: undefined });
  }
  body(declaration.body, NOWHERE, place);
}
