/**
 * `repeat` and `if`: which bodies are checked, and how often.
 *
 * In: a statement and what arrives. Out: calls of `visit`, in the order of the program. What holds: a body that no round
 * and no choice comes to is kept for later (`Session.unreached`), so that a misspelt word in it does not stay hidden.
 */
import type { Enclosure, Shape, Span } from "./checkedProgram.ts";
import { evaluateNumber, evaluateTruth, type Scope } from "./expressions.ts";
import type { Body, If, Repeat } from "./syntaxTree.ts";
import {
  aside,
  deeper,
  keywordOf,
  lost,
  MAXIMUM_LAYERS,
  nextName,
  NOWHERE,
  spend,
  whereIs,
  withName,
  withoutValues,
  type Place,
} from "./walk.ts";

/**
 * Checks a body in a place. `known` is false where it is not certain that the body belongs to the model: what it gives is
 * then of no interest.
 */
type Visit = (body: Body, place: Place, known: boolean) => void;

/** Visits the bodies that a statement stands for; false if that is not known, because of an error. */
export function eachBody(statement: Repeat | If, shape: Shape | undefined, place: Place, visit: Visit): boolean {
  const head = keywordOf(statement, statement.kind);
  const inside = deeper(place, head);
  if (inside === undefined) {
    lost(place, NOWHERE);
    return false;
  }
  return statement.kind === "if"
    ? chooseBody(statement, shape, inside, visit)
    : repeatBody(statement, shape, inside, head, visit);
}

/** Remembers a body that is not checked now. */
function postpone(body: Body, place: Place, visit: Visit): void {
  const { session } = place.walk;
  if (session.reached.has(body) || session.unreached.has(body)) return;
  session.unreached.set(body, () => {
    visit(body, { ...place, walk: aside(place.walk), names: withoutValues(place.names) }, false);
  });
}

function chooseBody({ choices, otherwise }: If, shape: Shape | undefined, place: Place, visit: Visit): boolean {
  const scope: Scope = { names: place.names, input: shape, report: place.report };
  let taken: Body | undefined;
  let known = true;
  for (const { condition, body } of choices) {
    if (!spend(place, condition.span)) return false;
    // The conditions behind the one that holds are read too: what is wrong in them is wrong.
    const holds = evaluateTruth(condition, scope);
    if (holds === undefined) known = false;
    if (holds === true) taken ??= body;
  }
  taken ??= otherwise;
  const bodies = [...choices.map(({ body }) => body), ...(otherwise === undefined ? [] : [otherwise])];
  if (known && taken !== undefined) visit(taken, place, true);
  else if (!known) lost(place, NOWHERE);
  for (const body of bodies) if (!known || body !== taken) postpone(body, place, visit);
  return known;
}

function repeatBody(
  { count: expression, index, body, span }: Repeat,
  shape: Shape | undefined,
  place: Place,
  head: Span,
  visit: Visit,
): boolean {
  const { walk, report } = place;
  const { session } = walk;
  const words: Span = { start: span.start, end: index?.span.end ?? expression.span.end };
  const count = readCount({ expression, shape, place });
  const name = nextName(place.naming, "repeat");
  if (count === undefined) {
    lost(place, NOWHERE);
    const names =
      index === undefined
        ? place.names
        : withName(place.names, index.text, { declaration: index, value: undefined }, session);
    postpone(body, { ...place, names }, visit);
    return false;
  }
  const where = whereIs(head, session);
  for (let round = 0; round < count; round++) {
    if (!spend(place, words)) break;
    const within: Enclosure = {
      kind: "round",
      name,
      text: `repeat ${count}`,
      index: round,
      ...where,
      parent: place.within,
    };
    const value = { kind: "number", value: round } as const;
    const names =
      index === undefined ? place.names : withName(place.names, index.text, { declaration: index, value }, session);
    const inner: Place = { ...place, names, within: count > 1 ? within : place.within };
    visit(
      body,
      round === 0
        ? inner
        : { ...inner, report: (given) => report({ ...given, notes: [...(given.notes ?? []), roundNote(round)] }) },
      true,
    );
    // Behind an error, another round could only find the same ones.
    if (!walk.whole) break;
  }
  function roundNote(round: number) {
    const value = index === undefined ? "" : `, where ${index.text} = ${round}`;
    return { message: `in round ${round + 1} of ${count}${value}`, span: words };
  }
  const names =
    index === undefined
      ? place.names
      : withName(place.names, index.text, { declaration: index, value: undefined }, session);
  if (count === 0) postpone(body, { ...place, names }, visit);
  return true;
}

function readCount({
  expression,
  shape,
  place,
}: {
  expression: Repeat["count"];
  shape: Shape | undefined;
  place: Place;
}) {
  const { report, names } = place;
  const count = evaluateNumber(expression, { names, input: shape, report }, "a number of rounds");
  const { span } = expression;
  if (count === undefined) return undefined;
  if (!Number.isInteger(count) || count < 0) {
    const message = "expected a whole number of rounds";
    return report({ code: "CNN207", message, span, label: `this is ${count}`, help: "it must be at least 0" });
  }
  if (count <= MAXIMUM_LAYERS) return count;
  return report({
    code: "CNN213",
    message: "too many rounds",
    span,
    label: `${count.toLocaleString("en-US")} rounds`,
    help: `a model has at most ${MAXIMUM_LAYERS.toLocaleString("en-US")} layers`,
  });
}
