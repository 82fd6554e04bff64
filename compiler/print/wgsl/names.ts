/**
 * Names in WGSL: those of the nest, kept where WGSL allows them, and new ones that collide with none.
 */
import { InvariantError } from "../../graph/graph.ts";

/** Keywords and reserved words of the WGSL specification (sections 15.1 and 15.2). */
const reservedWords = `
  alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let
  loop override requires return struct switch true var while
  NULL Self abstract active alignas alignof as asm asm_fragment async attribute auto await become binding_array cast
  catch class co_await co_return co_yield coherent column_major common compile compile_fragment concept const_cast
  consteval constexpr constinit crate debugger decltype delete demote demote_to_helper do dynamic_cast enum explicit
  export extends extern external fallthrough filter final finally friend from fxgroup get goto groupshared highp impl
  implements import inline instanceof interface layout lowp macro macro_rules match mediump meta mod module move mut
  mutable namespace new nil noexcept noinline nointerpolation non_coherent noncoherent noperspective null nullptr of
  operator package packoffset partition pass patch pixelfragment precise precision premerge priv protected pub public
  readonly ref regardless register reinterpret_cast require resource restrict self set shared sizeof smooth snorm
  static static_assert static_cast std subroutine super target template this thread_local throw trait try type typedef
  typeid typename typeof union unless unorm unsafe unsized use using varying virtual volatile wgsl where with writeonly
  yield`;

/** Predeclared names that printed kernels use: shadowing one would break the kernel. */
const predeclared = `
  abs array bitcast bool ceil clamp cos exp f32 floor fma function i32 inverseSqrt log max min pow private read
  read_write select sin sqrt storage storageBarrier subgroupAdd subgroupBroadcast subgroupMax tanh u32 uniform vec3u
  vec4f vec4u workgroupBarrier main workgroupId`;

/** Gives each name of a nest its name in WGSL, and makes new ones. */
export interface Namer {
  /** A name of the nest; a word that WGSL reserves gets a `_` behind it. */
  of(name: string): string;
  /** `hint0`, `hint1`, ...: the first that is free. */
  fresh(hint: string): string;
}

export function createNamer(nestNames: readonly string[]): Namer {
  const taken = new Set(`${reservedWords} ${predeclared}`.trim().split(/\s+/));
  const names = new Map<string, string>();
  for (const name of nestNames) if (!taken.has(name)) names.set(name, name);
  for (const name of names.values()) taken.add(name);
  const free = (candidate: (i: number) => string): string => {
    for (let i = 0; ; i++) {
      const name = candidate(i);
      if (taken.has(name)) continue;
      taken.add(name);
      return name;
    }
  };
  for (const name of nestNames)
    if (!names.has(name))
      names.set(
        name,
        free((i) => `${name}_${i === 0 ? "" : i}`),
      );
  const next = new Map<string, number>();
  return {
    of(name) {
      const found = names.get(name);
      if (found === undefined) throw new InvariantError(`the nest has no name ${name}`);
      return found;
    },
    fresh(hint) {
      const start = next.get(hint) ?? 0;
      let used = start;
      const stem = /\d$/.test(hint) ? `${hint}_` : hint;
      const name = free((i) => `${stem}${(used = start + i)}`);
      next.set(hint, used + 1);
      return name;
    },
  };
}
