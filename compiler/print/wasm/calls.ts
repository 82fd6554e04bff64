/**
 * Calls: what several chains do is one function, which each of them hands its own buffers.
 *
 * What holds: the addresses of the buffers stand in the thread's own memory, below what the called kernel may use as its
 * scratch; kernels are called through the table, as they may be in another module.
 */
import type { Statement } from "../../nest/loopNest.ts";
import { access, i32, op } from "./assembler.ts";
import { here, type KernelPrinter, parameter, placeOf } from "./state.ts";

/** The number of the kernels' type in their modules: a kernel is every module's first function. */
const kernelTypeNumber = 0;
const table = 0;

export function printCall(printer: KernelPrinter, { nest, buffers }: Extract<Statement, { kind: "call" }>): void {
  const { frame, scratch, placeOf: placeInTable } = printer.calls;
  const code = here(printer);
  const pushSum = (local: number, displacement: number): void => {
    op(code, "local.get", local);
    if (displacement === 0) return;
    i32(code, displacement);
    op(code, "i32.add");
  };
  buffers.forEach((buffer, i) => {
    const { local, displacement } = placeOf(printer, buffer);
    op(code, "local.get", parameter.scratch);
    pushSum(local, displacement);
    access(code, "i32.store", frame + 4 * i);
  });
  op(code, "local.get", parameter.workgroup);
  pushSum(parameter.scratch, frame);
  pushSum(parameter.scratch, scratch);
  i32(code, placeInTable(nest));
  op(code, "call_indirect", kernelTypeNumber, table);
}

/** The nests that a nest calls. */
export function calledBy(statements: readonly Statement[]): Extract<Statement, { kind: "call" }>["nest"][] {
  return statements.flatMap((statement) => (statement.kind === "call" ? [statement.nest] : []));
}
