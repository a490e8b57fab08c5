/**
 * The static memory plan: where every temporary lives, decided once from the lifetimes.
 *
 * Temporaries that are never alive together share memory: as byte ranges of one arena
 * (WebAssembly), or as whole buffers used in turn (WebGPU, where one buffer must not be read and
 * written in one dispatch). A step that can work in place overwrites an operand that dies with it.
 *
 * @module
 */
import type { BufferSpecification, Program, Step } from "../program.ts";
import { storedBytes } from "../shape.ts";
import { coversBuffer, sameView, type View } from "../view.ts";

/** Alignment of arena ranges in bytes: one cache line. */
const alignment = 64;

/** First and last step that touch a temporary. */
interface Lifetime {
  readonly buffer: number;
  readonly bytes: number;
  first: number;
  last: number;
}

/** Everything in a step that names a buffer: its views and the factors of a product. */
function operandsOf(step: Step): { readonly buffer: number }[] {
  const found: { readonly buffer: number }[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (isView(value)) found.push(value);
  };
  Object.values(step).forEach(visit);
  return found;
}

/** Indices of all buffers that a step touches. */
export function touchedBuffers(step: Step): Set<number> {
  return new Set(operandsOf(step).map(({ buffer }) => buffer));
}

function isView(value: unknown): value is { buffer: number } {
  return typeof value === "object" && value !== null && "buffer" in value;
}

/** Assigns memory to all temporaries that a step touches. */
export function planMemory(
  buffers: readonly BufferSpecification[],
  steps: readonly Step[],
): Omit<Program, "name"> {
  const inPlace = reuseOperands(buffers, steps);
  const lifetimes = findLifetimes(buffers, inPlace);
  const { offsets, arenaBytes } = placeInArena(lifetimes);
  const { assignment, slots } = placeInSlots(lifetimes);
  const planned = buffers.map((specification, index) =>
    specification.kind === "temporary"
      ? { ...specification, arenaOffset: offsets.get(index), slot: assignment.get(index) }
      : specification
  );
  return { buffers: planned, steps: inPlace, arenaBytes, slots };
}

function findLifetimes(
  buffers: readonly BufferSpecification[],
  steps: readonly Step[],
): Lifetime[] {
  const lifetimes = new Map<number, Lifetime>();
  steps.forEach((step, index) => {
    for (const buffer of touchedBuffers(step)) {
      const { kind, dtype, elements } = buffers[buffer];
      if (kind !== "temporary") continue;
      const known = lifetimes.get(buffer);
      if (known) known.last = index;
      else {
        const bytes = storedBytes(dtype, elements);
        lifetimes.set(buffer, { buffer, bytes, first: index, last: index });
      }
    }
  });
  return [...lifetimes.values()];
}

/** Makes steps that may work in place overwrite an operand that nothing reads afterwards. */
function reuseOperands(
  buffers: readonly BufferSpecification[],
  steps: readonly Step[],
): Step[] {
  const lastUse = new Map(findLifetimes(buffers, steps).map(({ buffer, last }) => [buffer, last]));
  const renamed = new Map<number, number>();
  return steps.map((original, index) => {
    const step = renameBuffers(original, renamed);
    const operand = overwritableOperand(step, buffers, (buffer) => lastUse.get(buffer) === index);
    if (!operand || !("output" in step)) return step;
    const { buffer } = step.output;
    renamed.set(buffer, operand.buffer);
    lastUse.set(operand.buffer, lastUse.get(buffer)!);
    return renameBuffers(step, renamed);
  });
}

/** The operand whose memory the step's output can take over, if there is one. */
function overwritableOperand(
  step: Step,
  buffers: readonly BufferSpecification[],
  dies: (buffer: number) => boolean,
): View | undefined {
  if (!("inPlace" in step) || !step.inPlace) return undefined;
  const { inPlace: candidates, output } = step;
  const target = buffers[output.buffer];
  if (target.kind !== "temporary" || !coversBuffer(output, target.elements)) return undefined;
  if (candidates.some(({ buffer }) => buffer === output.buffer)) return undefined;
  return candidates.find((view) => {
    const { kind, elements, dtype } = buffers[view.buffer];
    // WebGPU binds a buffer as an array of one element type.
    return kind === "temporary" && dtype === target.dtype && dies(view.buffer) &&
      coversBuffer(view, elements) && elements === target.elements &&
      sameView(view, { ...output, buffer: view.buffer }) &&
      readsOnlyThrough(step, view);
  });
}

/** Whether every operand of the step that lies in the view's buffer is the view itself. */
function readsOnlyThrough(step: Step, view: View): boolean {
  const operands = operandsOf(step).filter(({ buffer }) => buffer === view.buffer);
  return operands.every((operand) => sameView(operand as View, view));
}

function renameBuffers(step: Step, renamed: ReadonlyMap<number, number>): Step {
  const rename = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(rename);
    if (!isView(value)) return value;
    const buffer = renamed.get(value.buffer);
    return buffer === undefined ? value : { ...value, buffer };
  };
  return Object.fromEntries(
    Object.entries(step).map(([name, value]) => [name, rename(value)]),
  ) as unknown as Step;
}

const overlap = (a: Lifetime, b: Lifetime): boolean => a.first <= b.last && b.first <= a.last;

/** Largest first, so that small ones fill the gaps. */
function bySize(lifetimes: readonly Lifetime[]): Lifetime[] {
  return [...lifetimes].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
}

/** Places each temporary at the lowest address that is free during its whole life. */
function placeInArena(
  lifetimes: readonly Lifetime[],
): { offsets: Map<number, number>; arenaBytes: number } {
  const placed: { life: Lifetime; start: number; end: number }[] = [];
  for (const life of bySize(lifetimes)) {
    const size = Math.ceil(life.bytes / alignment) * alignment;
    let start = 0;
    // `placed` is kept in address order, so the first gap that is wide enough is the lowest.
    for (const other of placed) {
      if (!overlap(life, other.life)) continue;
      if (other.start >= start + size) break;
      start = Math.max(start, other.end);
    }
    const entry = { life, start, end: start + size };
    const position = placed.findIndex((other) => other.start > start);
    placed.splice(position < 0 ? placed.length : position, 0, entry);
  }
  return {
    offsets: new Map(placed.map(({ life, start }) => [life.buffer, start])),
    arenaBytes: placed.reduce((end, entry) => Math.max(end, entry.end), 0),
  };
}

/** Gives each temporary a whole buffer that is free during its life. */
function placeInSlots(
  lifetimes: readonly Lifetime[],
): { assignment: Map<number, number>; slots: number[] } {
  const slots: { bytes: number; tenants: Lifetime[] }[] = [];
  const assignment = new Map<number, number>();
  for (const life of bySize(lifetimes)) {
    let index = slots.findIndex(({ tenants }) => !tenants.some((other) => overlap(life, other)));
    if (index < 0) index = slots.push({ bytes: life.bytes, tenants: [] }) - 1;
    slots[index].tenants.push(life);
    assignment.set(life.buffer, index);
  }
  return { assignment, slots: slots.map(({ bytes }) => bytes) };
}
