/**
 * How the parser goes on behind words that do not parse.
 *
 * In: a rule that may fail. Out: its node, or a `Broken` one, and a report for each place. What holds: it skips to the end
 * of the statement and no further, so that what follows is parsed as if nothing had been.
 */
import { EOF, isRecognitionException, type IToken, type TokenType } from "chevrotain";
import type { Reporter } from "./diagnostic.ts";
import { layerCatalogue } from "./layerCatalogue.ts";
import { reportException, reportSyntaxProblem } from "./syntaxErrors.ts";
import { identifier, join, spanOf } from "./syntaxNodes.ts";
import type * as tree from "./syntaxTree.ts";
import * as t from "./tokens.ts";
import { ValueParser } from "./valueParser.ts";

/** After so many errors a file is not a program with slips: parsing on would only take time. */
const MAXIMUM_SYNTAX_ERRORS = 100;

const SEPARATING: ReadonlySet<TokenType> = new Set([t.NewLine, t.Arrow, t.LCurly, t.RCurly]);
/** What values without structure are made of. */
const PLAIN: ReadonlySet<TokenType> = new Set([t.Name, t.NumberToken, t.Equal, t.Comma]);
const LAYERS: ReadonlySet<string> = new Set(layerCatalogue.map(({ words }) => words.split(" ")[0] ?? ""));
const DECLARATIONS: ReadonlySet<TokenType> = new Set([t.Model, t.Train, t.Block, t.Use]);

export abstract class RecoveringParser extends ValueParser {
  report: Reporter = () => undefined;
  private syntaxErrors = 0;

  override reset(): void {
    super.reset();
    this.syntaxErrors = 0;
  }

  /** False after so many errors that the rest is not worth parsing. */
  protected mayGoOn(): boolean {
    return this.syntaxErrors < MAXIMUM_SYNTAX_ERRORS;
  }

  /** Runs a rule and keeps its result; where it fails, reports, skips to the end of the statement and keeps a hole. */
  protected keep<T extends { kind: string }>(list: (T | tree.Broken)[], rule: () => T): void {
    const first = this.LA(1);
    try {
      const found = rule();
      if (!this.RECORDING_PHASE) this.keepUnlessMended(list, found, first);
    } catch (error) {
      if (!(error instanceof Error) || !isRecognitionException(error)) throw error;
      this.skipStatement();
      this.drainErrors();
      list.push({ kind: "broken", span: join(first, this.LA(0)) });
    }
  }

  /** A call that chevrotain mended (a token left out or imagined) parsed, but its meaning is a guess. */
  protected keepUnlessMended<T extends { kind: string }>(list: (T | tree.Broken)[], found: T, first: IToken): void {
    const mended = this.drainErrors();
    const hasBody = found.kind !== "call" && found.kind !== "use";
    list.push(mended && !hasBody ? { kind: "broken", span: join(first, this.LA(0)) } : found);
  }

  /** Turns chevrotain's errors since the last time into reports; true if there was one. */
  protected drainErrors(): boolean {
    const { errors } = this;
    if (errors.length === 0) return false;
    for (const error of errors) reportException(error, this.report);
    this.syntaxErrors += errors.length;
    this.errors = [];
    return true;
  }

  /** To the end of the line, or the `}` or `->` before it; over whole `{ … }`. */
  protected skipStatement(depthAlready = 0): void {
    let depth = depthAlready;
    for (;;) {
      const { tokenType } = this.LA(1);
      if (tokenType === EOF) return;
      if (depth === 0 && (tokenType === t.NewLine || tokenType === t.RCurly || tokenType === t.Arrow)) return;
      if (DECLARATIONS.has(tokenType) && this.LA(0).tokenType === t.NewLine) return;
      if (tokenType === t.LCurly) depth++;
      if (tokenType === t.RCurly) depth--;
      this.SKIP_TOKEN();
    }
  }

  /** Reports a token that nothing can begin with, and skips the rest of its statement. */
  protected stray(found: IToken): void {
    this.ACTION(() => {
      this.reportStray(found);
      if (found.tokenType !== t.Arrow && found.tokenType !== t.RCurly) {
        this.skipStatement(found.tokenType === t.LCurly ? 1 : 0);
      }
    });
  }

  protected reportStray(found: IToken): void {
    const written = this.asWritten(found);
    reportSyntaxProblem({ token: found, previousToken: undefined, expected: undefined, written }, this.report);
    this.syntaxErrors++;
  }

  /** What stands at a `(` or `=`, in this language's words, as far as it is plain. */
  private asWritten({ tokenType }: IToken): string | undefined {
    const [name, next] = [this.LA(-1), this.LA(1)];
    if (tokenType === t.CallParen) return this.callInWords(name);
    const isOption = tokenType === t.Equal && name.tokenType === t.Name && PLAIN.has(next.tokenType);
    return isOption ? `${name.image} ${next.image}` : undefined;
  }

  /** `unit(width = 8)`, behind its `(`: `unit width 8`. */
  private callInWords({ image: name }: IToken): string | undefined {
    const inside: string[] = [];
    for (let n = 1; this.LA(n).tokenType !== t.RParen; n++) {
      const { tokenType, image } = this.LA(n);
      if (!PLAIN.has(tokenType)) return LAYERS.has(name) ? undefined : `${name} …`;
      inside.push(image);
    }
    const isNamed = inside.includes("=");
    // Layers have few values without a name; which of several are meant by which words is not known here.
    if (!isNamed && inside.length > 1 && LAYERS.has(name)) return undefined;
    const words = isNamed ? inside.filter((word) => word !== "=" && word !== ",") : inside;
    return [name, ...words].join(" ").replaceAll(" ,", ",");
  }

  /** True if the token before is a part of a statement, not one that separates statements. */
  protected followsValue(offset: number): boolean {
    return !SEPARATING.has(this.LA(offset).tokenType);
  }

  /** `bn if x { … }`: a statement right behind another one. */
  protected breakLast(first: IToken, statements: tree.Statement[]): void {
    this.ACTION(() => {
      this.reportStray(first);
      statements.splice(-1, 1, { kind: "broken", span: join(first, this.LA(0)) });
    });
  }

  /** `conv 6@5x5 stride=2`: what was parsed of the statement so far is not what it means. */
  protected strayBehind(found: IToken, statements: tree.Statement[]): void {
    const cut = this.followsValue(-1) ? statements.pop() : undefined;
    this.stray(found);
    if (cut !== undefined) statements.push({ kind: "broken", span: join(cut, this.LA(0)) });
  }

  /** Behind a declaration whose head was reported, the `}` of its body is no news. */
  protected strayClosing(found: IToken, declarations: readonly tree.Declaration[]): void {
    if (!declarations.some(({ kind }) => kind === "broken")) this.stray(found);
  }

  protected declaredName(name: IToken | undefined, keyword: IToken): tree.Identifier {
    if (name !== undefined) return identifier(name);
    const kind = keyword.image;
    this.report({
      code: "CNN101",
      message: `a ${kind} needs a name`,
      span: spanOf(keyword),
      label: "expected a name behind this",
      help: `for instance \`${kind} ${kind === "model" ? "LeNet" : "residual"} { … }\``,
    });
    return { text: kind, span: spanOf(keyword) };
  }

  protected reportUnclosed(open: IToken): void {
    if (this.syntaxErrors++ >= MAXIMUM_SYNTAX_ERRORS) return;
    this.report({
      code: "CNN102",
      message: "a `{` is never closed",
      span: spanOf(open),
      label: "opened here",
      help: "write the `}` that ends it",
    });
  }
}
