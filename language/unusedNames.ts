/**
 * Parameters and blocks that nothing uses.
 *
 * In: the models and blocks of the checked file, when everything has been checked. Out: warnings. What holds: it is asked
 * only of a program without errors: a misspelt word would make its parameter look unused.
 */
import type { BlockDeclaration, Declaration, ModelDeclaration } from "./syntaxTree.ts";
import type { Session } from "./walk.ts";

/** Warns of blocks and parameters that nothing uses. */
export function warnOfUnused(declarations: readonly Declaration[], session: Session): void {
  const hasModel = declarations.some(({ kind }) => kind === "model");
  for (const declaration of declarations) {
    if (declaration.kind !== "model" && declaration.kind !== "block") continue;
    // A file of blocks is there for others to use.
    const unused = declaration.kind === "block" && hasModel && !session.used.has(declaration);
    if (unused) warnOfBlock(declaration, session);
    else warnOfParameters(declaration, session);
  }
}

function warnOfBlock({ name }: BlockDeclaration, { report }: Session): void {
  report({
    code: "CNN256",
    message: `the block \`${name.text}\` is never used`,
    span: name.span,
    help: "use it like a layer, or take it out",
  });
}

function warnOfParameters({ kind, parameters }: BlockDeclaration | ModelDeclaration, { used, report }: Session): void {
  for (const parameter of parameters) {
    if (used.has(parameter)) continue;
    const { text, span } = parameter.name;
    report({
      code: "CNN255",
      message: `the parameter \`${text}\` is never used`,
      span,
      help: `take it out, or let something in the ${kind} depend on it`,
    });
  }
}
