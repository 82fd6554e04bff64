/**
 * The part of the engine's WebAssembly interface that the CPU device uses, typed (TypeScript has it only with all of the DOM).
 */

/** A compiled module, which threads share. */
export interface WasmModuleObject {
  readonly [Symbol.toStringTag]: string;
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /** Adds pages of 64 KiB. */
  grow(pages: number): number;
}

/** Functions, by their places. */
export interface WasmTable {
  get(place: number): unknown;
}

export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

export interface WebAssemblyApi {
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<WasmModuleObject>;
  readonly Module: new (bytes: Uint8Array) => WasmModuleObject;
  readonly Memory: new (options: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Table: new (options: { element: "anyfunc"; initial: number }) => WasmTable;
  readonly Instance: new (module: WasmModuleObject, imports: Record<string, Record<string, unknown>>) => WasmInstance;
}

export const webAssembly = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;

export const pageBytes = 65536;
