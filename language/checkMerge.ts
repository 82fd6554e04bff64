/**
 * Checking `add`, `mul` and `concat`.
 *
 * In: a call with a body of branches, and what arrives. Out: what leaves the merge, which comes behind all layers of its
 * branches. What holds: every branch begins with what arrives; an empty one and `skip` give just that.
 */
import { shapeElements, shapeText, type Enclosure, type Shape, type Span } from "./checkedProgram.ts";
import { eachBody } from "./checkControl.ts";
import { addLayer } from "./checkLayer.ts";
import type { Edit } from "./diagnostic.ts";
import type { MergeEntry } from "./merges.ts";
import { MAXIMUM_COUNT } from "./parameterTypes.ts";
import { seenTogether } from "./receptiveField.ts";
import type { Body, Call, Statement } from "./syntaxTree.ts";
import { deeper, headOf, lost, nextName, spend, whereIs, type Flow, type Place } from "./walk.ts";

/** The widest of the literature have some dozens. */
const MAXIMUM_BRANCHES = 1000;

interface Branch {
  readonly flow: Flow;
  readonly span: Span;
  readonly isSkip: boolean;
}

/** Checks a merge and its branches. */
export function checkMerge(call: Call, entry: MergeEntry, flow: Flow, place: Place): Flow {
  const head = headOf(call);
  const name = nextName(place.naming, entry.words);
  if (!checkHead(call, place) || call.body === undefined) return lost(place, flow);
  const inside = deeper(place, head);
  if (inside === undefined) return lost(place, flow);
  const { body } = call;
  reportArrows(body, entry, inside);
  const branches: Branch[] = [];
  collect(body, { flow, name, entry, branches }, inside);
  checkNumber(body, branches, entry, call, place);
  return merge(branches, { entry, name, head }, flow, place);
}

/** Reports arguments, and braces that are missing. */
function checkHead(call: Call, { report }: Place): boolean {
  const { text, span } = call.name;
  const [first] = call.groups;
  if (first !== undefined) {
    report({
      code: "CNN205",
      message: `\`${text}\` takes no arguments`,
      span: { start: first.span.start, end: headOf(call).end },
      help: `branches stand in braces: \`${text} { branch { … } skip }\``,
    });
    return false;
  }
  if (call.body !== undefined) return true;
  report({
    code: "CNN203",
    message: `\`${text}\` needs its branches`,
    span,
    label: "expected `{` behind this",
    help: `write \`${text} { branch { … } skip }\``,
  });
  return false;
}

function reportArrows({ statements, joined }: Body, { words }: MergeEntry, { report }: Place): void {
  const at = joined.indexOf(true);
  const behind = statements[at];
  if (behind === undefined) return;
  report({
    code: "CNN220",
    message: `the branches of \`${words}\` stand side by side`,
    span: behind.span,
    label: "this stands behind an arrow",
    help: "write one branch a line, without `->`",
  });
}

interface Collecting {
  readonly flow: Flow;
  readonly name: string;
  readonly entry: MergeEntry;
  readonly branches: Branch[];
}

function collect(body: Body, collecting: Collecting, place: Place): void {
  const { session } = place.walk;
  session.reached.add(body);
  for (const statement of body.statements) if (!session.stopped) collectOne(statement, collecting, place);
}

function collectOne(statement: Statement, collecting: Collecting, place: Place): void {
  const { flow, branches } = collecting;
  const { walk } = place;
  if (statement.kind === "broken") return void lost(place, flow);
  if (statement.kind !== "call") {
    const visit = (body: Body, inner: Place, known: boolean): void =>
      collect(body, known ? collecting : { ...collecting, flow: lost(inner, flow), branches: [] }, inner);
    eachBody(statement, flow.shape, place, visit);
    return;
  }
  if (!spend(place, headOf(statement))) return void lost(place, flow);
  const { text, span } = statement.name;
  if (text !== "branch" && text !== "skip") return reportLayer(statement, collecting, place);
  const next = text === "skip" && branches.length < MAXIMUM_BRANCHES ? behindSkip(statement) : undefined;
  if (next !== undefined) {
    branches.push({ flow, span, isSkip: true });
    return collectOne(next, collecting, place);
  }
  if (branches.length >= MAXIMUM_BRANCHES) return reportBranches(span, collecting, place);
  if (!checkBranchWords(statement, place)) return void lost(place, flow);
  if (text === "skip") return void branches.push({ flow, span, isSkip: true });
  const { body } = statement;
  const inside = deeper(place, span);
  if (body === undefined || inside === undefined) return void lost(place, flow);
  const where = whereIs(headOf(statement), walk.session);
  const index = branches.length;
  const within: Enclosure = { kind: "branch", name: collecting.name, text, index, ...where, parent: place.within };
  branches.push({ flow: walk.body(body, flow, { ...inside, within }), span, isSkip: body.statements.length === 0 });
}

/** Reports the first branch that is too many; nothing more is checked then. */
function reportBranches(span: Span, { flow, entry }: Collecting, place: Place): void {
  const label = `branch ${MAXIMUM_BRANCHES + 1}`;
  const help = `at most ${MAXIMUM_BRANCHES.toLocaleString("en-US")} are allowed`;
  place.report({ code: "CNN213", message: `\`${entry.words}\` has too many branches`, span, label, help });
  place.walk.session.stopped = true;
  lost(place, flow);
}

/** `skip branch { … }` in one line: `skip` takes no values, so the word behind it is the next branch. */
function behindSkip({ groups, body, span }: Call): Call | undefined {
  const [first, ...others] = groups;
  const value = first?.values.length === 1 ? first.values[0] : undefined;
  if (value?.kind !== "name" || (value.text !== "branch" && value.text !== "skip")) return undefined;
  const name = { text: value.text, span: value.span };
  return { kind: "call", name, groups: others, body, span: { start: value.span.start, end: span.end } };
}

/** Reports what stands behind `branch` or `skip`. */
function checkBranchWords({ name: { text, span }, groups, body }: Call, { report }: Place): boolean {
  const [first] = groups;
  if (first !== undefined) {
    const help = text === "skip" ? "it is the identity: write it alone" : "write `branch { … }`";
    report({ code: "CNN205", message: `\`${text}\` takes no arguments`, span: first.span, help });
    return false;
  }
  if ((text === "branch") === (body !== undefined)) return true;
  if (body === undefined) {
    const label = "expected `{` behind this";
    report({ code: "CNN203", message: "`branch` needs its layers", span, label, help: "write `branch { … }`" });
  } else {
    const brace = { start: body.span.start, end: body.span.start + 1 };
    const help = "it is the identity: write it alone, or `branch { … }`";
    report({ code: "CNN205", message: "`skip` takes no `{ … }`", span: brace, help });
  }
  return false;
}

function reportLayer(statement: Call, { flow, entry }: Collecting, place: Place): void {
  const { text } = statement.name;
  place.report({
    code: "CNN220",
    message: `\`${text}\` stands in \`${entry.words}\` without a branch`,
    span: statement.name.span,
    help: `write \`branch { ${text} … }\``,
    edits: [
      { span: { start: statement.span.start, end: statement.span.start }, replacement: "branch { " },
      { span: { start: statement.span.end, end: statement.span.end }, replacement: " }" },
    ],
  });
  lost(place, flow);
}

/** One branch is a mistake where nothing else could have been meant; a `repeat` or `if` may make one. */
function checkNumber(
  { statements }: Body,
  branches: readonly Branch[],
  { words }: MergeEntry,
  call: Call,
  place: Place,
): void {
  const isPlain = statements.every(({ kind }) => kind === "call");
  if (branches.length >= (isPlain ? 2 : 1) || !place.walk.whole) return;
  place.report({
    code: "CNN227",
    message: `\`${words}\` has ${branches.length === 0 ? "no branches" : "only one branch"}`,
    span: call.name.span,
    help: branches.length === 0 ? "write `branch { … }` for each" : "a `skip` beside it adds what arrives",
  });
  place.walk.whole = false;
}

interface Merging {
  readonly entry: MergeEntry;
  readonly name: string;
  readonly head: Span;
}

function merge(branches: readonly Branch[], { entry, name, head }: Merging, flow: Flow, place: Place): Flow {
  const known = branches.flatMap(({ flow: { shape, field } }) => (shape === undefined ? [] : [{ shape, field }]));
  if (known.length < branches.length || branches.length === 0) return lost(place, flow);
  const merged = entry.output(known.map(({ shape }) => shape));
  if ("misfit" in merged) {
    reportMisfit(branches, merged.misfit, { entry, name, head }, flow, place);
    return lost(place, flow);
  }
  if (shapeElements(merged) > MAXIMUM_COUNT) return reportTooLarge(merged, head, flow, place);
  const field = seenTogether(known, merged);
  const { kind } = entry;
  const inputs = branches.map((branch) => branch.flow);
  const rest = { kind, attributes: {}, outputShape: merged, parameters: [], multiplyAdds: 0 };
  const added = { ...rest, inputs, receptiveField: field, text: entry.words, span: head };
  const id = addLayer(added, entry.words, undefined, place, name);
  if (id === undefined) return lost(place, flow);
  const sides = merged.flat ? flow.sides : ([merged.height, merged.width] as const);
  return { id, shape: merged, sure: true, field, sides };
}

function reportTooLarge(shape: Shape, span: Span, flow: Flow, place: Place): Flow {
  const label = `its output ${shapeText(shape)} has ${shapeElements(shape).toLocaleString("en-US")} elements`;
  const help = `a tensor may have at most ${MAXIMUM_COUNT.toLocaleString("en-US")}`;
  place.report({ code: "CNN213", message: "the layer is too large", span, label, help });
  return lost(place, flow);
}

function reportMisfit(
  branches: readonly Branch[],
  label: string,
  { entry, head }: Merging,
  { shape: arriving }: Flow,
  place: Place,
): void {
  const notes = branches.slice(0, 6).map(({ flow, span }) => ({
    message: `this gives ${flow.shape === undefined ? "an unknown shape" : shapeText(flow.shape)}`,
    span,
  }));
  const skip = branches.find(({ isSkip }) => isSkip);
  const other = branches.find(({ isSkip }) => !isSkip)?.flow.shape;
  const words = entry.kind === "add" ? projection(arriving, other) : undefined;
  const edit: Edit | undefined =
    words === undefined || skip === undefined
      ? undefined
      : { span: skip.span, replacement: `branch { ${words} bias off -> bn }` };
  const isName = skip !== undefined && skip.span.end - skip.span.start === "skip".length;
  place.report({
    code: "CNN221",
    message: `the branches of \`${entry.words}\` do not fit`,
    span: head,
    label,
    help:
      skip !== undefined && words !== undefined
        ? `a branch with \`${words}\` in place of the identity gives ${other === undefined ? "the same" : shapeText(other)}`
        : "`pad same` keeps height and width; a `conv` of 1x1 changes the number of maps",
    edits: edit !== undefined && isName ? [edit] : [],
    notes,
  });
}

/** The convolution of 1x1 that makes one shape of another: `conv 32@1x1 stride 2`. */
function projection(from: Shape | undefined, to: Shape | undefined): string | undefined {
  if (from === undefined || to === undefined || from.flat || to.flat) return undefined;
  const stride = Math.round(from.height / to.height);
  const fits = (before: number, after: number): boolean => stride >= 1 && Math.ceil(before / stride) === after;
  if (!fits(from.height, to.height) || !fits(from.width, to.width)) return undefined;
  return `conv ${to.channels}@1x1${stride > 1 ? ` stride ${stride}` : ""}`;
}
