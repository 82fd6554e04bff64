/**
 * The syntax tree: what was written, before anything is known about layers.
 *
 * In: made by the parser. Out: read by the checker (and a formatter). What holds: every node has the span of its words;
 * the tree knows no layer: a call is a name and groups of values, and the catalogue decides which group is an argument
 * and which an option (see `signature.ts`). Nothing in it nests deeper than `MAXIMUM_NESTING` brackets.
 */
import type { Span } from "./checkedProgram.ts";

export interface Identifier {
  readonly text: string;
  readonly span: Span;
}

export interface Program {
  readonly declarations: readonly Declaration[];
}

export type Declaration = ModelDeclaration | BlockDeclaration | TrainDeclaration | UseDeclaration | Call | Broken;

/** `model Name(parameters) { … }` */
export interface ModelDeclaration {
  readonly kind: "model";
  readonly name: Identifier;
  readonly parameters: readonly ParameterDeclaration[];
  readonly body: Body;
  readonly span: Span;
}

/** `block name(parameters) { … }` */
export interface BlockDeclaration {
  readonly kind: "block";
  readonly name: Identifier;
  readonly parameters: readonly ParameterDeclaration[];
  readonly body: Body;
  readonly span: Span;
}

/** `train { … }` */
export interface TrainDeclaration {
  readonly kind: "train";
  readonly keyword: Span;
  readonly body: Body;
  readonly span: Span;
}

/** `use "file.cnn"` */
export interface UseDeclaration {
  readonly kind: "use";
  readonly path: StringLiteral;
  readonly span: Span;
}

/** `name` or `name = default` in the head of a model or block. */
export interface ParameterDeclaration {
  readonly name: Identifier;
  readonly default: Expression | undefined;
}

export interface Body {
  readonly statements: readonly Statement[];
  /** For each statement, whether it follows the one before by `->`, not on a line of its own. */
  readonly joined: readonly boolean[];
  readonly span: Span;
}

export type Statement = Call | Repeat | If | Broken;

/** `name values… { body }`: a layer, a block's use, `add { … }`, `branch { … }`, a line of `train`. */
export interface Call {
  readonly kind: "call";
  readonly name: Identifier;
  readonly groups: readonly ValueGroup[];
  readonly body: Body | undefined;
  readonly span: Span;
}

/** Values joined by commas: `64, 4`. `conv 6@5x5 stride 2` has three groups of one value. */
export interface ValueGroup {
  readonly values: readonly [Value, ...Value[]];
  readonly span: Span;
}

/** `repeat 3 as i { … }` */
export interface Repeat {
  readonly kind: "repeat";
  readonly count: Expression;
  readonly index: Identifier | undefined;
  readonly body: Body;
  readonly span: Span;
}

/** `if … { … } else if … { … } else { … }` */
export interface If {
  readonly kind: "if";
  readonly choices: readonly { readonly condition: Expression; readonly body: Body }[];
  readonly otherwise: Body | undefined;
  readonly span: Span;
}

/** Words that did not parse and were reported; what they would have done is not known. */
export interface Broken {
  readonly kind: "broken";
  readonly span: Span;
}

export type Value = Expression | StringLiteral | MatrixLiteral | MapsLiteral;

export interface StringLiteral {
  readonly kind: "string";
  readonly text: string;
  readonly span: Span;
}

/** `[-1 2 -1; -1 2 -1]` */
export interface MatrixLiteral {
  readonly kind: "matrix";
  readonly rows: readonly (readonly number[])[];
  readonly span: Span;
}

/** `6@5x5`, `width * 4@k`: a number of maps and a size. */
export interface MapsLiteral {
  readonly kind: "maps";
  readonly count: Expression;
  readonly size: Expression;
  readonly span: Span;
}

export type Expression = NumberLiteral | SizeLiteral | Name | Member | FunctionCall | Unary | Chain;

export interface NumberLiteral {
  readonly kind: "number";
  readonly value: number;
  readonly span: Span;
}

/** `5x3`: height, width. */
export interface SizeLiteral {
  readonly kind: "size";
  readonly height: Expression;
  readonly width: Expression;
  readonly span: Span;
}

export interface Name {
  readonly kind: "name";
  readonly text: string;
  readonly span: Span;
}

/** `in.channels` */
export interface Member {
  readonly kind: "member";
  readonly object: Identifier;
  readonly property: Identifier;
  readonly span: Span;
}

/** `min(a, b)` */
export interface FunctionCall {
  readonly kind: "function";
  readonly name: Identifier;
  readonly arguments: readonly Expression[];
  readonly span: Span;
}

/** `- - x` is one node with two operators, so that a long row of them does not nest. */
export interface Unary {
  readonly kind: "unary";
  readonly operators: readonly ("-" | "not")[];
  readonly operand: Expression;
  readonly span: Span;
}

export type BinaryOperator = "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "and" | "or";

/** `a + b - c`: operators of one precedence, from left to right; one node, so that a long row of them does not nest. */
export interface Chain {
  readonly kind: "chain";
  readonly first: Expression;
  readonly rest: readonly {
    readonly operator: BinaryOperator;
    readonly operatorSpan: Span;
    readonly operand: Expression;
  }[];
  readonly span: Span;
}
