/**
 * The library: the language. The compiler is `cnnc/compiler`, the runtime for Node.js `cnnc/runtime`.
 */
export * from "./language/index.ts";
