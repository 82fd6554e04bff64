/**
 * Tokens to a syntax tree.
 *
 * In: tokens (`tokens.ts`). Out: a syntax tree, and a report for each place that does not parse. What holds: it never
 * throws; a statement that does not parse becomes a `Broken` node and the next one is parsed as if nothing had been; the
 * tree does not depend on the layer catalogue. Input nests at most `MAXIMUM_NESTING` deep (`parse.ts` sees to that).
 */
import type { IToken } from "chevrotain";
import type { Reporter } from "./diagnostic.ts";
import { RecoveringParser } from "./recoveringParser.ts";
import { identifier, join, spanOf, stringLiteral } from "./syntaxNodes.ts";
import type * as tree from "./syntaxTree.ts";
import * as t from "./tokens.ts";

class CnnParser extends RecoveringParser {
  constructor() {
    super();
    this.performSelfAnalysis();
  }

  // ---- declarations -------------------------------------------------------------------------------------------------

  readonly program = this.define("program", (): tree.Program => {
    const declarations: tree.Declaration[] = [];
    this.MANY({
      GATE: () => this.mayGoOn(),
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
      GATE: () => this.mayGoOn(),
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
