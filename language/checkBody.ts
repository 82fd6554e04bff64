/**
 * Checking the statements of a body, one after the other.
 *
 * In: a body, what arrives, and where it stands. Out: what leaves it. What holds: every statement is a layer, a merge, a
 * block's use, a `repeat` or an `if`, or it is reported; behind a limit that was reported nothing more is checked.
 */
import { checkBlock } from "./checkBlock.ts";
import { eachBody } from "./checkControl.ts";
import { checkLayer } from "./checkLayer.ts";
import { checkMerge } from "./checkMerge.ts";
import { findMerge } from "./merges.ts";
import type { Body, Call, Statement } from "./syntaxTree.ts";
import { headOf, lost, spend, type Flow, type Place } from "./walk.ts";

/** Checks a body; `Walk.body` is this function. */
export function checkBody(body: Body, flow: Flow, place: Place): Flow {
  place.walk.session.reached.add(body);
  let current = flow;
  for (const statement of body.statements) current = checkStatement(statement, current, place);
  return current;
}

/** Checks one statement. */
export function checkStatement(statement: Statement, flow: Flow, place: Place): Flow {
  if (place.walk.session.stopped || statement.kind === "broken") return lost(place, flow);
  if (statement.kind === "call")
    return spend(place, headOf(statement)) ? checkCall(statement, flow, place) : lost(place, flow);
  let current = flow;
  const visit = (body: Body, inner: Place, known: boolean): void => {
    const given = inner.walk.body(body, known ? current : lost(inner, flow), inner);
    if (known) current = given;
  };
  return eachBody(statement, flow.shape, place, visit) ? current : lost(place, flow);
}

function checkCall(call: Call, flow: Flow, place: Place): Flow {
  const { text } = call.name;
  if (text === "input") return reportInput(call, flow, place);
  if (text === "branch" || text === "skip") return reportBranch(call, flow, place);
  const merge = findMerge(text);
  if (merge !== undefined) return checkMerge(call, merge, flow, place);
  const block = place.blocks.get(text);
  return block === undefined ? checkLayer(call, flow, place) : checkBlock(call, block, flow, place);
}

function reportInput(call: Call, flow: Flow, place: Place): Flow {
  place.report({
    code: "CNN210",
    message: "`input` does not stand in the model itself",
    span: headOf(call),
    help: "make it the first line of the model",
  });
  return lost(place, flow);
}

function reportBranch(call: Call, flow: Flow, place: Place): Flow {
  const { text, span } = call.name;
  place.report({
    code: "CNN220",
    message: `\`${text}\` stands outside of \`add\`, \`mul\` and \`concat\``,
    span,
    help: text === "skip" ? "leave it out" : "for instance `add { branch { … } skip }`",
  });
  return lost(place, flow);
}
