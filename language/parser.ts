/**
 * Tokens to a syntax tree.
 *
 * In: tokens (`tokens.ts`). Out: a syntax tree, and a report for each place that does not parse. What holds: it never
 * throws; a statement that does not parse becomes a `Broken` node and the next one is parsed as if nothing had been; the
 * tree does not depend on the layer catalogue. Input nests at most `MAXIMUM_NESTING` deep (`parse.ts` sees to that).
 */
import { EOF, isRecognitionException, type IToken, type TokenType } from "chevrotain";
import type { Reporter } from "./diagnostic.ts";
import { ExpressionParser } from "./expressionParser.ts";
import { reportException, reportSyntaxProblem } from "./syntaxErrors.ts";
import { identifier, join, spanOf, stringLiteral } from "./syntaxNodes.ts";
import type * as tree from "./syntaxTree.ts";
import * as t from "./tokens.ts";

/** After so many errors a file is not a program with slips: parsing on would only take time. */
const MAXIMUM_SYNTAX_ERRORS = 100;

const SEPARATING: ReadonlySet<TokenType> = new Set([t.NewLine, t.Arrow, t.LCurly, t.RCurly]);
const DECLARATIONS: ReadonlySet<TokenType> = new Set([t.Model, t.Train, t.Block, t.Use]);

class CnnParser extends ExpressionParser {
  report: Reporter = () => undefined;
  private syntaxErrors = 0;

  constructor() {
    super();
    this.performSelfAnalysis();
  }

  override reset(): void {
    super.reset();
    this.syntaxErrors = 0;
  }

  // ---- declarations -------------------------------------------------------------------------------------------------

  readonly program = this.define("program", (): tree.Program => {
    const declarations: tree.Declaration[] = [];
    this.MANY({
      GATE: () => this.syntaxErrors < MAXIMUM_SYNTAX_ERRORS,
      DEF: () => {
        this.OR([
          { ALT: () => this.CONSUME(t.NewLine) },
          { ALT: () => this.keep(declarations, () => this.SUBRULE(this.declaration)) },
          { ALT: () => this.stray(this.CONSUME(t.Arrow)) },
          { ALT: () => this.strayClosing(this.CONSUME(t.RCurly), declarations) },
          { ALT: () => this.stray(this.CONSUME(t.Repeat)) },
          { ALT: () => this.stray(this.CONSUME(t.If)) },
          { ALT: () => this.stray(this.CONSUME(t.Stray)) },
        ]);
      },
    });
    return { declarations };
  });

  private readonly declaration = this.define("declaration", (): tree.Declaration => {
    return this.OR([
      { ALT: () => this.SUBRULE(this.model) },
      { ALT: () => this.SUBRULE(this.block) },
      { ALT: () => this.SUBRULE(this.train) },
      { ALT: () => this.SUBRULE(this.use) },
      { ALT: () => this.SUBRULE(this.call) },
    ]);
  });

  private readonly model = this.define("model", (): tree.ModelDeclaration => {
    const keyword = this.CONSUME(t.Model);
    const name = this.OPTION(() => this.CONSUME(t.Name));
    const parameters = this.SUBRULE(this.parameters);
    const body = this.SUBRULE(this.body);
    return this.ACTION(() => ({
      kind: "model",
      name: this.declaredName(name, keyword),
      parameters,
      body,
      span: join(keyword, body),
    }));
  });

  private readonly block = this.define("block", (): tree.BlockDeclaration => {
    const keyword = this.CONSUME(t.Block);
    const name = this.OPTION(() => this.CONSUME(t.Name));
    const parameters = this.SUBRULE(this.parameters);
    const body = this.SUBRULE(this.body);
    return this.ACTION(() => ({
      kind: "block",
      name: this.declaredName(name, keyword),
      parameters,
      body,
      span: join(keyword, body),
    }));
  });

  private readonly train = this.define("train", (): tree.TrainDeclaration => {
    const keyword = this.CONSUME(t.Train);
    const body = this.SUBRULE(this.body);
    return this.ACTION(() => ({ kind: "train", keyword: spanOf(keyword), body, span: join(keyword, body) }));
  });

  private readonly use = this.define("use", (): tree.UseDeclaration => {
    const keyword = this.CONSUME(t.Use);
    const path = this.CONSUME(t.StringToken);
    return this.ACTION(() => ({ kind: "use", path: stringLiteral(path), span: join(keyword, path) }));
  });

  private readonly parameters = this.define("parameters", (): tree.ParameterDeclaration[] => {
    const found: tree.ParameterDeclaration[] = [];
    this.OPTION(() => {
      this.OR([{ ALT: () => this.CONSUME(t.CallParen) }, { ALT: () => this.CONSUME(t.LParen) }]);
      this.MANY_SEP({ SEP: t.Comma, DEF: () => found.push(this.SUBRULE(this.parameter)) });
      this.CONSUME(t.RParen);
    });
    return found;
  });

  private readonly parameter = this.define("parameter", (): tree.ParameterDeclaration => {
    const name = this.CONSUME(t.Name);
    const value = this.OPTION(() => {
      this.CONSUME(t.Equal);
      return this.SUBRULE(this.expression);
    });
    return this.ACTION(() => ({ name: identifier(name), default: value }));
  });

  // ---- statements ---------------------------------------------------------------------------------------------------

  private readonly body = this.define("body", (): tree.Body => {
    const open = this.CONSUME(t.LCurly);
    const statements: tree.Statement[] = [];
    const joined: boolean[] = [];
    let arrow: IToken | undefined;
    this.MANY({
      GATE: () => this.syntaxErrors < MAXIMUM_SYNTAX_ERRORS,
      DEF: () => {
        this.OR([
          { ALT: () => this.CONSUME(t.NewLine) },
          {
            ALT: () => {
              const found = this.CONSUME(t.Arrow);
              this.ACTION(() => {
                if (arrow !== undefined || statements.length === 0) this.stray(found);
                arrow = found;
              });
            },
          },
          {
            ALT: () => {
              const first = this.LA(1);
              const misplaced = this.followsValue(0);
              joined.push(arrow !== undefined);
              arrow = undefined;
              this.keep(statements, () => this.SUBRULE(this.statement));
              if (misplaced) this.breakLast(first, statements);
            },
          },
          {
            ALT: () => {
              const found = this.CONSUME(t.Stray);
              this.ACTION(() => this.strayBehind(found, statements));
            },
          },
        ]);
      },
    });
    const close = this.OPTION(() => this.CONSUME(t.RCurly));
    return this.ACTION(() => {
      if (close === undefined) this.reportUnclosed(open);
      else if (arrow !== undefined) this.stray(arrow);
      return { statements, joined, span: join(open, close ?? this.LA(0)) };
    });
  });

  private readonly statement = this.define("statement", (): tree.Statement => {
    return this.OR([
      { ALT: () => this.SUBRULE(this.repeat) },
      { ALT: () => this.SUBRULE(this.choice) },
      { ALT: () => this.SUBRULE(this.call) },
    ]);
  });

  private readonly repeat = this.define("repeat", (): tree.Repeat => {
    const keyword = this.CONSUME(t.Repeat);
    const count = this.SUBRULE(this.expression);
    const index = this.OPTION(() => {
      this.CONSUME(t.As);
      return this.CONSUME(t.Name);
    });
    const body = this.SUBRULE(this.body);
    return this.ACTION(() => ({
      kind: "repeat",
      count,
      index: index === undefined ? undefined : identifier(index),
      body,
      span: join(keyword, body),
    }));
  });

  private readonly choice = this.define("choice", (): tree.If => {
    const keyword = this.CONSUME(t.If);
    const choices = [this.SUBRULE(this.conditioned)];
    let otherwise: tree.Body | undefined;
    this.MANY({
      GATE: () => otherwise === undefined,
      DEF: () => {
        this.CONSUME(t.Else);
        this.OR([
          {
            ALT: () => {
              this.CONSUME2(t.If);
              choices.push(this.SUBRULE2(this.conditioned));
            },
          },
          { ALT: () => (otherwise = this.SUBRULE(this.body)) },
        ]);
      },
    });
    return this.ACTION(() => {
      const end = otherwise ?? choices.at(-1)?.body ?? keyword;
      return { kind: "if", choices, otherwise, span: join(keyword, end) };
    });
  });

  private readonly conditioned = this.define("conditioned", (): tree.If["choices"][number] => {
    const condition = this.SUBRULE(this.expression);
    const body = this.SUBRULE(this.body);
    return { condition, body };
  });

  private readonly call = this.define("call", (): tree.Call => {
    const name = this.CONSUME(t.Name);
    const groups: tree.ValueGroup[] = [];
    this.MANY(() => groups.push(this.SUBRULE(this.group)));
    const body = this.OPTION(() => this.SUBRULE(this.body));
    return this.ACTION(() => ({
      kind: "call",
      name: identifier(name),
      groups,
      body,
      span: join(name, body ?? groups.at(-1) ?? name),
    }));
  });

  // ---- values -------------------------------------------------------------------------------------------------------

  private readonly group = this.define("group", (): tree.ValueGroup => {
    const first = this.SUBRULE(this.value);
    const values: [tree.Value, ...tree.Value[]] = [first];
    this.MANY(() => {
      this.CONSUME(t.Comma);
      values.push(this.SUBRULE2(this.value));
    });
    return this.ACTION(() => ({ values, span: join(first, values.at(-1) ?? first) }));
  });

  private readonly value = this.define("value", (): tree.Value => {
    return this.OR([
      { ALT: () => this.ACTIONED(this.CONSUME(t.StringToken), stringLiteral) },
      { ALT: () => this.SUBRULE(this.matrix) },
      { ALT: () => this.SUBRULE(this.mapsOrExpression) },
    ]);
  });

  private readonly mapsOrExpression = this.define("mapsOrExpression", (): tree.Value => {
    const count = this.SUBRULE(this.expression);
    const size = this.OPTION(() => {
      this.CONSUME(t.At);
      return this.SUBRULE(this.atom);
    });
    return this.ACTION(() => (size === undefined ? count : { kind: "maps", count, size, span: join(count, size) }));
  });

  private readonly matrix = this.define("matrix", (): tree.MatrixLiteral => {
    const open = this.CONSUME(t.LBracket);
    const rows: number[][] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: t.Semicolon,
      DEF: () => {
        const row: number[] = [];
        this.AT_LEAST_ONE(() => {
          let sign = 1;
          this.OPTION(() => {
            this.OR([{ ALT: () => this.CONSUME(t.Negative) }, { ALT: () => this.CONSUME(t.Minus) }]);
            sign = -1;
          });
          row.push(sign * Number(this.CONSUME(t.NumberToken).image));
        });
        rows.push(row);
      },
    });
    const close = this.CONSUME(t.RBracket);
    return this.ACTION(() => ({ kind: "matrix", rows, span: join(open, close) }));
  });

  // ---- recovery -----------------------------------------------------------------------------------------------------

  /** Runs a rule and keeps its result; where it fails, reports, skips to the end of the statement and keeps a hole. */
  private keep<T extends { kind: string }>(list: (T | tree.Broken)[], rule: () => T): void {
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
  private keepUnlessMended<T extends { kind: string }>(list: (T | tree.Broken)[], found: T, first: IToken): void {
    const mended = this.drainErrors();
    const hasBody = found.kind !== "call" && found.kind !== "use";
    list.push(mended && !hasBody ? { kind: "broken", span: join(first, this.LA(0)) } : found);
  }

  /** Turns chevrotain's errors since the last time into reports; true if there was one. */
  private drainErrors(): boolean {
    const { errors } = this;
    if (errors.length === 0) return false;
    for (const error of errors) reportException(error, this.report);
    this.syntaxErrors += errors.length;
    this.errors = [];
    return true;
  }

  /** To the end of the line, or the `}` or `->` before it; over whole `{ … }`. */
  private skipStatement(depthAlready = 0): void {
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
  private stray(found: IToken): void {
    this.ACTION(() => {
      this.reportStray(found);
      if (found.tokenType !== t.Arrow && found.tokenType !== t.RCurly) {
        this.skipStatement(found.tokenType === t.LCurly ? 1 : 0);
      }
    });
  }

  private reportStray(found: IToken): void {
    reportSyntaxProblem({ token: found, previousToken: undefined, expected: undefined }, this.report);
    this.syntaxErrors++;
  }

  /** True if the token before is a part of a statement, not one that separates statements. */
  private followsValue(offset: number): boolean {
    return !SEPARATING.has(this.LA(offset).tokenType);
  }

  /** `bn if x { … }`: a statement right behind another one. */
  private breakLast(first: IToken, statements: tree.Statement[]): void {
    this.ACTION(() => {
      this.reportStray(first);
      statements.splice(-1, 1, { kind: "broken", span: join(first, this.LA(0)) });
    });
  }

  /** `conv 6@5x5 stride=2`: what was parsed of the statement so far is not what it means. */
  private strayBehind(found: IToken, statements: tree.Statement[]): void {
    const cut = this.followsValue(-1) ? statements.pop() : undefined;
    this.stray(found);
    if (cut !== undefined) statements.push({ kind: "broken", span: join(cut, this.LA(0)) });
  }

  /** Behind a declaration whose head was reported, the `}` of its body is no news. */
  private strayClosing(found: IToken, declarations: readonly tree.Declaration[]): void {
    if (!declarations.some(({ kind }) => kind === "broken")) this.stray(found);
  }

  private declaredName(name: IToken | undefined, keyword: IToken): tree.Identifier {
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

  private reportUnclosed(open: IToken): void {
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

/** Made at the first use, once: its self-analysis takes milliseconds. */
let parser: CnnParser | undefined;

/** Parses tokens; what does not parse is reported and left out. */
export function parseTokens(tokens: IToken[], report: Reporter): tree.Program {
  parser ??= new CnnParser();
  parser.report = report;
  parser.input = tokens;
  return parser.program();
}
