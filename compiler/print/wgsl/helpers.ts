/**
 * WGSL functions that kernels call, each printed only where it is used.
 */

/** Sums and maxima over lanes are functions of a width: 1 (f32) or 4 (vec4f, four values at once). */
export type ReductionName = `${"sum" | "maximum"}OverLanes${"" | "4"}`;
export type HelperName = "infinity" | "notANumber" | "isNotANumber" | "randomUniform" | "errorFunction" | ReductionName;

const fixed: Readonly<Record<Exclude<HelperName, ReductionName>, string>> = {
  infinity: `
// WGSL refuses constants that are not finite: the bits stand in a variable.
var<private> infinityBits = 0x7f800000u;
fn infinity() -> f32 {
  return bitcast<f32>(infinityBits);
}`,
  notANumber: `
// WGSL refuses constants that are not finite: the bits stand in a variable.
var<private> notANumberBits = 0x7fc00000u;
fn notANumber() -> f32 {
  return bitcast<f32>(notANumberBits);
}`,
  isNotANumber: `
fn isNotANumber(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}`,
  randomUniform: `
// Uniform in [0, 1) from three counters: PCG3D (Jarzynski and Olano, JCGT 9(3), 2020), the upper 24 bits.
fn randomUniform(a: u32, b: u32, c: u32) -> f32 {
  var v = vec3u(a, b, c) * 1664525u + 1013904223u;
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v ^= v >> vec3u(16u);
  v.x += v.y * v.z;
  return f32(v.x >> 8u) / 16777216.0;
}`,
  errorFunction: `
// erf within 1.2e-7: least-squares fits of erf(x) / x in x² below 1, and of -log(1 - erf(x)) in x up to 4.
fn errorFunction(x: f32) -> f32 {
  let size = abs(x);
  if (size < 1.0) {
    let s = x * x;
    var p = fma(-0.0005654106, s, 0.0049232775);
    p = fma(p, s, -0.026716385);
    p = fma(p, s, 0.112803645);
    p = fma(p, s, -0.3761235);
    return fma(p, s, 1.1283791) * x;
  }
  let c = min(size, 4.0);
  var q = fma(2.1405054e-5, c, -0.0004380749);
  q = fma(q, c, 0.0041887145);
  q = fma(q, c, -0.025166333);
  q = fma(q, c, 0.108353324);
  q = fma(q, c, 0.6332797);
  q = fma(q, c, 1.1295485);
  return sign(x) * (1.0 - exp(-fma(q, c, -0.00018175233)));
}`,
};

/** Where the lanes' values meet: across subgroups if their size is known, else in two steps of about √lanes values. */
export interface ReductionPlan {
  readonly lanes: number;
  readonly subgroupSize: number;
}

export function helperText(name: HelperName, plan: ReductionPlan): string {
  return isReduction(name) ? reductionText(name, plan) : fixed[name].trim();
}

function isReduction(name: HelperName): name is ReductionName {
  return name.includes("OverLanes");
}

interface ReductionWords {
  readonly name: ReductionName;
  readonly type: "f32" | "vec4f";
  /** The operator on two texts. */
  readonly combine: (a: string, b: string) => string;
  readonly subgroup: string;
}

function reductionText(name: ReductionName, plan: ReductionPlan): string {
  const words: ReductionWords = {
    name,
    type: name.endsWith("4") ? "vec4f" : "f32",
    combine: name.startsWith("sum") ? (a, b) => `${a} + ${b}` : (a, b) => `max(${a}, ${b})`,
    subgroup: name.startsWith("sum") ? "subgroupAdd" : "subgroupMax",
  };
  return plan.subgroupSize > 0 ? overSubgroups(words, plan) : overWorkgroup(words, plan);
}

/** Both forms end so: each lane combines the same parts in the same order. */
function combineParts({ name, combine }: ReductionWords, count: number): string {
  return `  var total = ${name}Parts[0];
  for (var i = 1u; i < ${count}u; i++) {
    total = ${combine("total", `${name}Parts[i]`)};
  }
  return total;`;
}

function overSubgroups(words: ReductionWords, { lanes, subgroupSize }: ReductionPlan): string {
  const { name, type, subgroup } = words;
  const count = Math.ceil(lanes / subgroupSize);
  return `var<workgroup> ${name}Parts: array<${type}, ${count}>;
fn ${name}(value: ${type}, lane: u32) -> ${type} {
  let part = ${subgroup}(value);
  workgroupBarrier(); // the parts of an earlier call have been read
  if (lane % ${subgroupSize}u == 0u) {
    ${name}Parts[lane / ${subgroupSize}u] = part;
  }
  workgroupBarrier();
${combineParts(words, count)}
}`;
}

function overWorkgroup(words: ReductionWords, { lanes }: ReductionPlan): string {
  const { name, type, combine } = words;
  const each = Math.ceil(Math.sqrt(lanes));
  const count = Math.ceil(lanes / each);
  return `var<workgroup> ${name}Values: array<${type}, ${lanes}>;
var<workgroup> ${name}Parts: array<${type}, ${count}>;
fn ${name}(value: ${type}, lane: u32) -> ${type} {
  ${name}Values[lane] = value;
  workgroupBarrier();
  if (lane < ${count}u) {
    var part = ${name}Values[lane * ${each}u];
    for (var i = lane * ${each}u + 1u; i < min(lane * ${each}u + ${each}u, ${lanes}u); i++) {
      part = ${combine("part", `${name}Values[i]`)};
    }
    ${name}Parts[lane] = part;
  }
  workgroupBarrier();
${combineParts(words, count)}
}`;
}
