/**
 * Broadcasts: loads that are the same in all lanes are fetched by one load in which each lane takes another of them,
 * and handed out lane by lane. Measured on software adapters, a broadcast costs a twentieth of a load.
 */
import { add, clamp, divide, type Index, index, multiply, remainder, subtract, variable } from "../nest/integer.ts";
import { subgroupLaneName } from "../nest/loopNest.ts";
import type { Emitter } from "./emitter.ts";
import type { Term } from "./terms.ts";

type LoadTerm = Term & { readonly shape: { kind: "load"; buffer: string; index: Index } };

function uniformLoads(roots: readonly Term[], laneVariables: ReadonlySet<string>): LoadTerm[] {
  const found = new Map<number, LoadTerm>();
  const seen = new Set<number>();
  const visit = (term: Term): void => {
    if (seen.has(term.id)) return;
    seen.add(term.id);
    const isUniform = ![...term.variables].some((name) => laneVariables.has(name));
    if (term.shape.kind === "load" && isUniform) found.set(term.id, term as LoadTerm);
    if (term.shape.kind !== "loop") term.children.forEach(visit);
  };
  roots.forEach(visit);
  return [...found.values()];
}

/** `constants[t] = constants[0] + a·(t div period) + b·(t mod period)`, if they are of that form. */
export function findPattern(constants: readonly number[]): { period: number; a: number; b: number } | undefined {
  const [first = 0, second = first] = constants;
  const b = second - first;
  const turn = constants.findIndex((value, t) => t > 0 && value - (constants[t - 1] ?? 0) !== b);
  const period = turn < 0 ? constants.length : turn;
  const a = turn < 0 ? 0 : (constants[period] ?? 0) - first;
  const fits = constants.every((value, t) => value === first + a * Math.floor(t / period) + b * (t % period));
  return fits ? { period, a, b } : undefined;
}

/** Fewer uniform loads than this are loaded one by one. */
const smallestGroup = 3;
const quad = 4;

/** Loads of one buffer at known distances from one another, by distance. */
type Group = readonly LoadTerm[];

function groupLoads(terms: readonly LoadTerm[]): Group[] {
  const groups = new Map<string, LoadTerm[]>();
  for (const term of terms) {
    const key = `${term.shape.buffer} ${subtract(term.shape.index, term.shape.index.constant).key}`;
    groups.set(key, [...(groups.get(key) ?? []), term]);
  }
  return [...groups.values()]
    .filter((group) => group.length >= smallestGroup)
    .map((group) => group.toSorted((p, q) => p.shape.index.constant - q.shape.index.constant));
}

/** Binds each load that is the same in all lanes to one lane's part of a load that all lanes make together. */
export function bindBroadcasts(
  emitter: Emitter,
  roots: readonly Term[],
  laneVariables: ReadonlySet<string>,
  subgroupSize: number,
): void {
  for (const group of groupLoads(uniformLoads(roots, laneVariables))) {
    const quads = quadsOf(group);
    const inQuads = quads && Math.ceil(quads.length / subgroupSize) * 2 <= Math.ceil(group.length / subgroupSize);
    const starts = inQuads ? quads : group.map((term) => term.shape.index.constant);
    fetch(emitter, group, starts, inQuads ? quad : 1, subgroupSize);
  }
}

/** The constants at which aligned quads start, if the group's loads lie in such. */
function quadsOf(group: Group): number[] | undefined {
  const [head] = group;
  if (!head || head.shape.index.terms.some(({ factor }) => factor % quad !== 0)) return undefined;
  return [...new Set(group.map((term) => Math.floor(term.shape.index.constant / quad) * quad))];
}

/** Loads `width` elements from each of the starts, the next in the next lane. */
function fetch(emitter: Emitter, group: Group, starts: readonly number[], width: number, subgroupSize: number): void {
  const pattern = findPattern(starts);
  const [head] = group;
  if (!pattern || !head) return;
  const { buffer, index: first } = head.shape;
  const base = add(first, (starts[0] ?? 0) - first.constant);
  const lane = index(variable(subgroupLaneName, subgroupSize));
  for (let start = 0; start < starts.length; start += subgroupSize) {
    const place = clamp(add(lane, start), 0, starts.length - 1);
    const at = add(
      base,
      multiply(divide(place, pattern.period), pattern.a),
      multiply(remainder(place, pattern.period), pattern.b),
    );
    const here = new Map(starts.slice(start, start + subgroupSize).map((constant, s) => [constant, s]));
    const names = Array.from({ length: width }, (_, component) => {
      const name = emitter.name(`${buffer}Lanes`);
      emitter.push({ kind: "let", name, value: { kind: "load", buffer, index: add(at, component) } });
      return name;
    });
    for (const term of group) {
      const { constant } = term.shape.index;
      const component = width === 1 ? 0 : constant - Math.floor(constant / quad) * quad;
      const subgroupLane = here.get(constant - component);
      const name = names[component];
      if (subgroupLane !== undefined && name !== undefined)
        emitter.define(term, { kind: "broadcast", name, subgroupLane });
    }
  }
}
