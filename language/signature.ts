/**
 * Signatures: which arguments and options a word takes, and what a call of it gives.
 *
 * In: a call of the syntax tree (a name and groups of values) and a signature. Out: one value for each argument and
 * option, or undefined after reports. What holds: nothing written is ignored; every group is an argument, an option's
 * name, an option's value, or reported. The rule that tells them apart is in `bind`.
 */
import type { Span } from "./checkedProgram.ts";
import type { Scope } from "./expressions.ts";
import type { ParameterType } from "./parameterTypes.ts";
import { meant, nearest } from "./suggest.ts";
import type { Call, ValueGroup } from "./syntaxTree.ts";

/** An argument or option. */
export interface Parameter<T> {
  readonly type: ParameterType<NonNullable<T>>;
  readonly doc: string;
  readonly required: boolean;
  /** What it is when it is not given. */
  readonly default: T | undefined;
  /** The default in words, for the reference. */
  readonly defaultText: string;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;

/** The values of a record of parameters. */
export type Bound<P> = { readonly [K in keyof P]: P[K] extends Parameter<infer T> ? T : never };

export function required<T extends NonNullable<unknown>>(type: ParameterType<T>, doc: string): Parameter<T> {
  return { type, doc, required: true, default: undefined, defaultText: "" };
}

export function optional<T extends NonNullable<unknown>>(type: ParameterType<T>, value: T, doc: string): Parameter<T> {
  return { type, doc, required: false, default: value, defaultText: type.print(value) };
}

/** A parameter whose default depends on the others; it is undefined when it is not given. */
export function derived<T extends NonNullable<unknown>>(
  type: ParameterType<T>,
  defaultText: string,
  doc: string,
): Parameter<T | undefined> {
  return { type: type as Parameter<T | undefined>["type"], doc, required: false, default: undefined, defaultText };
}

export interface Signature {
  /** The word of the call, and the word behind it if that one chooses the entry: `conv`, `pool max`. */
  readonly words: string;
  readonly arguments: Parameters;
  readonly options: Parameters;
}

export interface BoundCall {
  readonly values: Readonly<Record<string, unknown>>;
  /** The words of each value that is given. */
  readonly spans: ReadonlyMap<string, Span>;
  /** In canonical words: the arguments, then the options that differ from their defaults, in the signature's order. */
  readonly text: string;
}

/** What `bind` keeps while it reads a call. */
interface Binding {
  readonly signature: Signature;
  readonly scope: Scope;
  /** True for a word that begins a statement of its own: `relu`. */
  readonly isStatement: (word: string) => boolean;
  readonly values: Map<string, NonNullable<unknown>>;
  readonly spans: Map<string, Span>;
  readonly failed: { yes: boolean };
}

/**
 * Gives each group of a call its meaning: a bare name that is an option's name is that option, and the group behind it
 * its value; other groups are arguments, in order. A name may be both, an option's and a value's (`basic width stride 2`
 * where `width` has a value and `basic` has an option `width`): then it is an argument if the other groups are pairs of
 * option and value. Reports what does not fit and returns undefined then.
 */
export function bind(
  call: Call,
  signature: Signature,
  scope: Scope,
  isStatement: (word: string) => boolean,
): BoundCall | undefined {
  const failed = { yes: false };
  const binding: Binding = { signature, scope, isStatement, values: new Map(), spans: new Map(), failed };
  const groups = call.groups.slice(signature.words.split(" ").length - 1);
  const pending = Object.keys(signature.arguments);
  for (let at = 0; at < groups.length;) {
    const group = groups[at];
    if (group === undefined) break;
    const name = bareName(group);
    const isOption = name !== undefined && Object.hasOwn(signature.options, name);
    const isArgument = pending.length > 0 && at === 0 && groups.length % 2 === 1 && isValue(binding, name);
    if (isOption && !isArgument) at += readOption(binding, group, name, pending, groups[at + 1]);
    else if (pending.length > 0) at += readArguments(binding, group, pending, groups[at + 1]);
    else at += reportUnexpected(binding, group, groups[at + 1]);
  }
  reportMissing(binding, call, pending);
  refuseBody(binding, call);
  return binding.failed.yes ? undefined : finish(binding);
}

function isValue({ scope }: Binding, name: string | undefined): boolean {
  return name !== undefined && scope.names.has(name);
}

/** The name, if a group is one name and nothing else. */
export function bareName(group: ValueGroup | undefined): string | undefined {
  const [value, second] = group?.values ?? [];
  return second === undefined && value?.kind === "name" ? value.text : undefined;
}

/** Reads `name value`; returns how many groups that took. */
function readOption(
  binding: Binding,
  key: ValueGroup,
  name: string,
  pending: string[],
  value: ValueGroup | undefined,
): number {
  const { signature, scope, spans } = binding;
  const parameter = signature.options[name];
  if (parameter === undefined) return 1;
  // A block's argument may be given by its name.
  if (pending.includes(name)) pending.splice(pending.indexOf(name), 1);
  const earlier = spans.get(name);
  if (earlier !== undefined) {
    binding.failed.yes = true;
    scope.report({
      code: "CNN208",
      message: `\`${name}\` is given twice`,
      span: key.span,
      help: "keep one of them",
      edits: [{ span: { start: key.span.start, end: value?.span.end ?? key.span.end }, replacement: "" }],
      notes: [{ message: "given here already", span: earlier }],
    });
    return value === undefined ? 1 : 2;
  }
  if (value === undefined || valueIsMissing(binding, parameter, value)) {
    binding.failed.yes = true;
    scope.report({
      code: "CNN203",
      message: `\`${name}\` needs a value`,
      span: key.span,
      label: `expected ${parameter.type.describe} behind this`,
      help: example(name, parameter),
    });
    spans.set(name, key.span);
    return 1;
  }
  store(binding, name, parameter, value, { start: key.span.start, end: value.span.end });
  return 2;
}

/** `stride pad 1`: the word behind `stride` is the next option's name, not its value. */
function valueIsMissing({ signature, scope }: Binding, parameter: Parameter<unknown>, value: ValueGroup): boolean {
  const name = bareName(value);
  if (name === undefined || parameter.type.words.includes(name) || scope.names.has(name)) return false;
  return Object.hasOwn(signature.options, name);
}

function example(name: string, parameter: Parameter<unknown>): string | undefined {
  if (parameter.type.words.length > 0) return `for instance \`${name} ${parameter.type.words[0]}\``;
  return parameter.defaultText === "" || parameter.default === undefined
    ? undefined
    : `for instance \`${name} ${parameter.defaultText}\`, which is the default`;
}

function store(binding: Binding, name: string, parameter: Parameter<unknown>, group: ValueGroup, span: Span): void {
  const [, second] = group.values;
  const what = Object.hasOwn(binding.signature.options, name) ? `\`${name}\`` : `\`${binding.signature.words}\``;
  const value = parameter.type.read(group.values, binding.scope, what);
  binding.spans.set(name, span);
  if (value === undefined) binding.failed.yes = true;
  else binding.values.set(name, value);
  if (second !== undefined && !parameter.type.many) reportComma(binding, group);
}

/** Reads a group as the next arguments; returns how many groups that took. */
function readArguments(binding: Binding, group: ValueGroup, pending: string[], next: ValueGroup | undefined): number {
  const name = bareName(group);
  if (name !== undefined && !binding.scope.names.has(name) && !takesWord(binding, pending[0], name)) {
    if (binding.isStatement(name) || nearest(name, Object.keys(binding.signature.options)) !== undefined) {
      return reportUnexpected(binding, group, next);
    }
  }
  let values: readonly ValueGroup["values"][number][] = group.values;
  while (values.length > 0) {
    const key = pending.shift();
    const parameter = key === undefined ? undefined : binding.signature.arguments[key];
    if (key === undefined || parameter === undefined) {
      reportComma(binding, group);
      return 1;
    }
    const [first, ...others] = values;
    if (first === undefined) return 1;
    const taken: ValueGroup = parameter.type.many ? group : { values: [first], span: first.span };
    store(binding, key, parameter, taken, taken.span);
    values = parameter.type.many ? [] : others;
  }
  return 1;
}

/** `unit relu` hands on a layer where `unit` needs an argument; where it needs none, the arrow is missing. */
function takesWord({ signature }: Binding, key: string | undefined, word: string): boolean {
  const parameter = key === undefined ? undefined : signature.arguments[key];
  if (parameter === undefined) return false;
  const { type, required: must } = parameter;
  return type.words.includes(word) || (must && type.takes?.(word) === true);
}

/** More values than there is room for, joined by commas. */
function reportComma(binding: Binding, group: ValueGroup): void {
  if (binding.failed.yes) return;
  binding.failed.yes = true;
  const { options, words } = binding.signature;
  const option = group.values.find((value) => value.kind === "name" && Object.hasOwn(options, value.text));
  binding.scope.report({
    code: "CNN205",
    message: option === undefined ? `\`${words}\` has too many arguments` : "a comma before an option",
    span: option?.span ?? group.values.at(-1)?.span ?? group.span,
    help:
      option === undefined ? usage(binding.signature) : "commas stand between arguments; options follow without one",
  });
}

/** Reports a group that is neither argument nor option; returns how many groups belong to it. */
function reportUnexpected(binding: Binding, group: ValueGroup, next: ValueGroup | undefined): number {
  const { signature, scope, failed } = binding;
  const already = failed.yes;
  failed.yes = true;
  const name = bareName(group);
  if (name !== undefined && binding.isStatement(name)) {
    scope.report({
      code: "CNN205",
      message: `\`${name}\` stands behind \`${signature.words}\` without an arrow`,
      span: group.span,
      help: `layers follow one another by \`->\` or a new line: \`-> ${name}\``,
      edits: [{ span: { start: group.span.start, end: group.span.start }, replacement: "-> " }],
    });
    return Number.POSITIVE_INFINITY;
  }
  if (name !== undefined) {
    const options = Object.keys(signature.options);
    // `3 x 3`, `5x`, `5y5`: the size before it has been reported, or is half of what was meant.
    const half = /^(?:[xX]|[a-zA-Z]\d+)$/.test(name);
    if (half && already) return 1;
    const some =
      options.length > 0 ? `it takes ${options.map((option) => `\`${option}\``).join(", ")}` : "it takes no options";
    scope.report({
      code: "CNN202",
      message: `\`${signature.words}\` has no option \`${name}\``,
      span: group.span,
      ...(half
        ? { help: "a size is written with a small x and without blanks: `3x3`" }
        : (meant(name, options, group.span) ?? { help: some })),
    });
    const nextName = bareName(next);
    return next !== undefined && (nextName === undefined || !Object.hasOwn(signature.options, nextName)) ? 2 : 1;
  }
  // Behind one error, a value that is left over is most likely its consequence.
  if (!already) {
    scope.report({
      code: "CNN205",
      message: `\`${signature.words}\` has too many arguments`,
      span: group.span,
      help: usage(signature),
    });
  }
  return 1;
}

function reportMissing(binding: Binding, call: Call, pending: readonly string[]): void {
  const { signature, scope, failed } = binding;
  const missing = pending.find((key) => signature.arguments[key]?.required === true);
  const parameter = missing === undefined ? undefined : signature.arguments[missing];
  if (missing === undefined || parameter === undefined || failed.yes) return;
  failed.yes = true;
  scope.report({
    code: "CNN203",
    message: `\`${signature.words}\` needs its ${missing}`,
    span: call.span,
    label: `expected ${parameter.type.describe} behind this`,
    help: usage(signature),
  });
}

function refuseBody({ signature, scope, failed }: Binding, call: Call): void {
  if (call.body === undefined) return;
  failed.yes = true;
  scope.report({
    code: "CNN205",
    message: `\`${signature.words}\` takes no \`{ … }\``,
    span: { start: call.body.span.start, end: call.body.span.start + 1 },
    help: "leave the braces out",
  });
}

/** `it is written \`dropout probability\`` */
function usage(signature: Signature): string {
  const names = Object.entries(signature.arguments).map(([key, { required: must }]) => (must ? key : `[${key}]`));
  const options = Object.keys(signature.options).length > 0 ? [" and options"] : [""];
  const keys = Object.keys(signature.options).map((key) => `\`${key}\``);
  return names.length === 0
    ? `\`${signature.words}\` takes no arguments${keys.length > 0 ? `, but options: ${keys.join(", ")}` : ""}`
    : `it is written \`${signature.words} ${names.join(", ")}\`${options.join("")}`;
}

function finish({ signature, values, spans }: Binding): BoundCall {
  // A block's parameter may have any name, `__proto__` too.
  const resolved = Object.create(null) as Record<string, unknown>;
  const positional: string[] = [];
  const named: string[] = [];
  for (const [name, parameter] of Object.entries(signature.arguments)) {
    const given = values.get(name);
    resolved[name] = given ?? parameter.default;
    if (given !== undefined && !Object.hasOwn(signature.options, name)) positional.push(parameter.type.print(given));
  }
  for (const [name, parameter] of Object.entries(signature.options)) {
    const given = values.get(name);
    resolved[name] = given ?? parameter.default;
    const text = given === undefined ? parameter.defaultText : parameter.type.print(given);
    if (text !== parameter.defaultText) named.push(`${name} ${text}`);
  }
  const words = [signature.words, positional.join(", "), ...named];
  return { values: resolved, spans, text: words.filter((word) => word !== "").join(" ") };
}
