/**
 * Loop nests: the last representation of a kernel before it is printed.
 *
 * A nest is the program of one *lane*. In WGSL a lane is an invocation and `workgroups` × `lanes` invocations run; in
 * WebAssembly the lanes of a workgroup are the elements of an f32x4 (or one scalar lane) and a workgroup is a chunk
 * that some thread takes. Values are f32; integers occur only as `Index`; memory is typed by its binding.
 *
 * What holds (`verifyNest`): names are unique in a nest and defined before use; loop bounds are constants; a buffer
 * that is written is bound `readwrite`; every index stays inside its buffer wherever its condition holds.
 */
import type { Index, Variable } from "./integer.ts";

/** The number of this workgroup, `0 <= workgroup < nest.workgroups`. */
export const workgroupName = "workgroup";
/** The number of this lane in its workgroup, `0 <= lane < nest.lanes`. */
export const laneName = "lane";
/** The number of this lane in its subgroup (WGSL only; the subgroup size is then fixed and known). */
export const subgroupLaneName = "subgroupLane";

export type ElementType = "f32" | "u32" | "u8";

export interface Binding {
  readonly name: string;
  readonly type: ElementType;
  readonly access: "read" | "readwrite";
  /** In elements. */
  readonly length: number;
}

/** f32 memory of one workgroup: `var<workgroup>` in WGSL, memory of the thread in WebAssembly. Not zeroed. */
export interface Scratch {
  readonly name: string;
  readonly length: number;
  /** Each lane has its own: an array of the function (WGSL only). */
  readonly perLane?: boolean;
}

export type UnaryOperator =
  | "negate" | "absolute" | "exponential" | "logarithm" | "squareRoot" | "inverseSquareRoot" | "reciprocal"
  | "tanh" | "floor" | "ceil" | "sine" | "cosine" | "errorFunction"; // prettier-ignore
export type BinaryOperator = "add" | "subtract" | "multiply" | "divide" | "minimum" | "maximum" | "power";
export type Comparison = "less" | "lessEqual" | "equal" | "notEqual" | "greater" | "greaterEqual";

/** An f32 value. */
export type Expression =
  | { readonly kind: "constant"; readonly value: number }
  /** A `let` or `variable` statement's name. */
  | { readonly kind: "reference"; readonly name: string }
  /** An integer as f32. */
  | { readonly kind: "index"; readonly index: Index }
  /** `buffer` names a binding or a scratch; u32 and u8 elements are converted to f32. */
  | { readonly kind: "load"; readonly buffer: string; readonly index: Index }
  | { readonly kind: "unary"; readonly operator: UnaryOperator; readonly operand: Expression }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  /** `a·b + c`, fused where the target fuses (one rounding or two: both are allowed). */
  | { readonly kind: "multiplyAdd"; readonly a: Expression; readonly b: Expression; readonly c: Expression }
  /** Both sides may be evaluated: a load in either must be in bounds or stand on a clamped index. */
  | {
      readonly kind: "select";
      readonly condition: Condition;
      readonly then: Expression;
      readonly otherwise: Expression;
    }
  /** Uniform in [0, 1) with 24 random bits, from three counters: the same everywhere (see random.ts). */
  | { readonly kind: "random"; readonly counters: readonly [Index, Index, Index] }
  /** The value that a `let` has in a given lane of the subgroup (WGSL with a fixed subgroup size only). */
  | { readonly kind: "broadcast"; readonly name: string; readonly subgroupLane: number };

export type Condition =
  | { readonly kind: "compare"; readonly operator: Comparison; readonly left: Expression; readonly right: Expression }
  /** `minimum <= index <= maximum` */
  | { readonly kind: "inRange"; readonly index: Index; readonly minimum: number; readonly maximum: number }
  | { readonly kind: "and" | "or"; readonly conditions: readonly Condition[] }
  | { readonly kind: "not"; readonly condition: Condition };

export type Statement =
  /** An immutable f32. */
  | { readonly kind: "let"; readonly name: string; readonly value: Expression }
  /** An immutable integer: defines `variable` for the indices after it. */
  | { readonly kind: "letIndex"; readonly variable: Variable; readonly value: Index }
  /** A mutable f32 (an accumulator). */
  | { readonly kind: "variable"; readonly name: string; readonly initial: Expression }
  | { readonly kind: "assign"; readonly name: string; readonly value: Expression }
  /** Counts `variable` from 0 to `count - 1`. */
  | { readonly kind: "loop"; readonly variable: Variable; readonly count: number; readonly body: readonly Statement[] }
  | { readonly kind: "if"; readonly condition: Condition; readonly body: readonly Statement[] }
  /** `where`, if given, masks the store lane by lane. u32 elements are converted from f32 (exact below 2^24). */
  | { readonly kind: "store"; readonly buffer: string; readonly index: Index; readonly value: Expression;
      readonly where?: Condition } // prettier-ignore
  /** All lanes of the workgroup have finished what is before, scratch writes included. Nothing to do in WebAssembly. */
  | { readonly kind: "barrier" }
  /**
   * What another nest does in the workgroup of the same number: its bindings are these buffers of the caller, in their
   * order, its scratch is its own. For all lanes together (WebAssembly only).
   */
  | { readonly kind: "call"; readonly nest: LoopNest; readonly buffers: readonly string[] }
  /** Each named variable becomes its sum (or maximum) over all lanes of the workgroup, the same in every lane. */
  | { readonly kind: "reduceLanes"; readonly operator: "add" | "maximum"; readonly names: readonly string[] }
  | { readonly kind: "comment"; readonly text: string };

export interface LoopNest {
  /** As users see it: `conv2 (line 5): filter gradient`. */
  readonly name: string;
  /** Lines for the head of the printed kernel: shapes, source lines, the schedule. */
  readonly header: readonly string[];
  readonly bindings: readonly Binding[];
  readonly scratch: readonly Scratch[];
  readonly workgroups: number;
  readonly lanes: number;
  readonly body: readonly Statement[];
}
