/**
 * The engine's compilation of modules, begun before a plan is whole.
 *
 * In: modules of plans. Out: what the engine makes of them. What holds: each module is compiled once; whoever asks for it
 * hears of a failure.
 */
import { type WasmModuleObject, webAssembly } from "./webAssembly.ts";

export interface ModuleCompiler {
  readonly compile: (module: Uint8Array) => Promise<WasmModuleObject>;
}

export function createModuleCompiler(): ModuleCompiler {
  const begun = new WeakMap<Uint8Array, Promise<WasmModuleObject>>();
  return {
    compile(module) {
      const compiling = begun.get(module) ?? webAssembly.compile(module);
      begun.set(module, compiling);
      compiling.catch(() => {});
      return compiling;
    },
  };
}
