/**
 * The part of the grammar that gives the values of a call: groups, maps with a size, strings and matrices.
 *
 * In: tokens. Out: value nodes. What holds: it knows no layer; which group means what is decided by a signature.
 */
import { ExpressionParser } from "./expressionParser.ts";
import { join, stringLiteral } from "./syntaxNodes.ts";
import type * as tree from "./syntaxTree.ts";
import * as t from "./tokens.ts";

export abstract class ValueParser extends ExpressionParser {
  protected readonly group = this.define("group", (): tree.ValueGroup => {
    const first = this.SUBRULE(this.value);
    const values: [tree.Value, ...tree.Value[]] = [first];
    this.MANY(() => {
      this.CONSUME(t.Comma);
      values.push(this.SUBRULE2(this.value));
    });
    return this.ACTION(() => ({ values, span: join(first, values.at(-1) ?? first) }));
  });

  protected readonly value = this.define("value", (): tree.Value => {
    return this.OR([
      { ALT: () => this.ACTIONED(this.CONSUME(t.StringToken), stringLiteral) },
      { ALT: () => this.SUBRULE(this.matrix) },
      { ALT: () => this.SUBRULE(this.mapsOrExpression) },
    ]);
  });

  protected readonly mapsOrExpression = this.define("mapsOrExpression", (): tree.Value => {
    const count = this.SUBRULE(this.expression);
    const size = this.OPTION(() => {
      this.CONSUME(t.At);
      return this.SUBRULE(this.atom);
    });
    return this.ACTION(() => (size === undefined ? count : { kind: "maps", count, size, span: join(count, size) }));
  });

  protected readonly matrix = this.define("matrix", (): tree.MatrixLiteral => {
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
}
