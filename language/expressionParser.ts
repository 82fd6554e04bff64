/**
 * The part of the grammar that gives values: expressions, from the loosest operator to the tightest.
 *
 * In: tokens. Out: expression nodes. What holds: a row of operators of one precedence is one node, so that the depth of
 * the tree is that of the brackets.
 */
import { EmbeddedActionsParser, type IToken, type ParserMethod, type TokenType } from "chevrotain";
import { parserMessages } from "./syntaxErrors.ts";
import { chain, identifier, join, numberLiteral, spanOf, unary } from "./syntaxNodes.ts";
import type * as tree from "./syntaxTree.ts";
import * as t from "./tokens.ts";

type Operand = tree.Expression;
type ChainRest = tree.Chain["rest"][number];

export abstract class ExpressionParser extends EmbeddedActionsParser {
  constructor() {
    super([...t.tokenTypes], {
      recoveryEnabled: true,
      maxLookahead: 2,
      skipValidations: true,
      errorMessageProvider: parserMessages,
    });
  }

  /** A closing bracket may be imagined where it is missing; anything else that is imagined would mean something. */
  protected override canTokenTypeBeInsertedInRecovery(type: TokenType): boolean {
    return type === t.RParen || type === t.RBracket;
  }

  /** A rule without recovery of its own: statements recover (see parser.ts). */
  protected define<T>(name: string, implementation: () => T): ParserMethod<[], T> {
    return this.RULE(name, implementation, { resyncEnabled: false });
  }

  protected link(operator: IToken, operand: Operand): ChainRest {
    return this.ACTION(() => ({
      operator: operator.image as tree.BinaryOperator, // the rule that calls this has just consumed one of them
      operatorSpan: spanOf(operator),
      operand,
    }));
  }

  protected ACTIONED<T>(found: IToken, make: (token: IToken) => T): T {
    return this.ACTION(() => make(found));
  }

  protected readonly expression = this.define("expression", (): Operand => {
    const first = this.SUBRULE(this.conjunction);
    const rest: ChainRest[] = [];
    this.MANY(() => {
      const operator = this.CONSUME(t.Or);
      rest.push(this.link(operator, this.SUBRULE2(this.conjunction)));
    });
    return this.ACTION(() => chain(first, rest));
  });

  protected readonly conjunction = this.define("conjunction", (): Operand => {
    const first = this.SUBRULE(this.negation);
    const rest: ChainRest[] = [];
    this.MANY(() => {
      const operator = this.CONSUME(t.And);
      rest.push(this.link(operator, this.SUBRULE2(this.negation)));
    });
    return this.ACTION(() => chain(first, rest));
  });

  protected readonly negation = this.define("negation", (): Operand => {
    const operators: IToken[] = [];
    this.MANY(() => operators.push(this.CONSUME(t.Not)));
    const operand = this.SUBRULE(this.comparison);
    return this.ACTION(() => unary(operators, "not", operand));
  });

  protected readonly comparison = this.define("comparison", (): Operand => {
    const first = this.SUBRULE(this.sum);
    const rest: ChainRest[] = [];
    this.OPTION(() => {
      const operator = this.OR([
        { ALT: () => this.CONSUME(t.EqualEqual) },
        { ALT: () => this.CONSUME(t.NotEqual) },
        { ALT: () => this.CONSUME(t.LessEqual) },
        { ALT: () => this.CONSUME(t.GreaterEqual) },
        { ALT: () => this.CONSUME(t.Less) },
        { ALT: () => this.CONSUME(t.Greater) },
      ]);
      rest.push(this.link(operator, this.SUBRULE2(this.sum)));
    });
    return this.ACTION(() => chain(first, rest));
  });

  protected readonly sum = this.define("sum", (): Operand => {
    const first = this.SUBRULE(this.product);
    const rest: ChainRest[] = [];
    this.MANY(() => {
      const operator = this.OR([{ ALT: () => this.CONSUME(t.Plus) }, { ALT: () => this.CONSUME(t.Minus) }]);
      rest.push(this.link(operator, this.SUBRULE2(this.product)));
    });
    return this.ACTION(() => chain(first, rest));
  });

  protected readonly product = this.define("product", (): Operand => {
    const first = this.SUBRULE(this.signed);
    const rest: ChainRest[] = [];
    this.MANY(() => {
      const operator = this.OR([
        { ALT: () => this.CONSUME(t.Star) },
        { ALT: () => this.CONSUME(t.Slash) },
        { ALT: () => this.CONSUME(t.Percent) },
      ]);
      rest.push(this.link(operator, this.SUBRULE2(this.signed)));
    });
    return this.ACTION(() => chain(first, rest));
  });

  protected readonly signed = this.define("signed", (): Operand => {
    const operators: IToken[] = [];
    this.MANY(() => {
      operators.push(this.OR([{ ALT: () => this.CONSUME(t.Negative) }, { ALT: () => this.CONSUME(t.Minus) }]));
    });
    const operand = this.SUBRULE(this.atom);
    return this.ACTION(() => unary(operators, "-", operand));
  });

  protected readonly atom = this.define("atom", (): Operand => {
    const first = this.OR([
      { ALT: () => this.ACTIONED(this.CONSUME(t.NumberToken), numberLiteral) },
      { ALT: () => this.SUBRULE(this.nameOrCall) },
      { ALT: () => this.SUBRULE(this.parenthesised) },
    ]);
    const width = this.OPTION(() => {
      this.CONSUME(t.Cross);
      return this.OR2([
        { ALT: () => this.ACTIONED(this.CONSUME2(t.NumberToken), numberLiteral) },
        { ALT: () => this.SUBRULE2(this.parenthesised) },
      ]);
    });
    return this.ACTION(() =>
      width === undefined ? first : { kind: "size", height: first, width, span: join(first, width) },
    );
  });

  protected readonly parenthesised = this.define("parenthesised", (): Operand => {
    const open = this.CONSUME(t.LParen);
    const inner = this.SUBRULE(this.expression);
    const close = this.CONSUME(t.RParen);
    return this.ACTION(() => ({ ...inner, span: join(open, Number.isNaN(close.startOffset) ? inner : close) }));
  });

  protected readonly nameOrCall = this.define("nameOrCall", (): Operand => {
    const name = this.CONSUME(t.Name);
    const member = this.OPTION(() => {
      this.CONSUME(t.Dot);
      return this.CONSUME2(t.Name);
    });
    const given = this.OPTION2({
      GATE: () => member === undefined,
      DEF: () => {
        this.CONSUME(t.CallParen);
        const values: Operand[] = [];
        this.MANY_SEP({ SEP: t.Comma, DEF: () => values.push(this.SUBRULE(this.expression)) });
        return { values, close: this.CONSUME(t.RParen) };
      },
    });
    return this.ACTION((): Operand => {
      const span = join(name, member ?? name);
      if (member !== undefined) return { kind: "member", object: identifier(name), property: identifier(member), span };
      if (given === undefined) return { kind: "name", text: name.image, span };
      const end = Number.isNaN(given.close.startOffset) ? (given.values.at(-1) ?? name) : given.close;
      return { kind: "function", name: identifier(name), arguments: given.values, span: join(name, end) };
    });
  });
}
