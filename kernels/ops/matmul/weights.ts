/**
 * Weights that are packed once for many runs: a program that does not change its weights, a sampler
 * or an evaluation, finds them in the order in which tiles read them.
 *
 * What is said here follows from the program alone, so that its memory is known without a device.
 *
 * @module
 */
import type { Program, Step } from "../../program.ts";
import { blockSize } from "../../wasm/split.ts";
import type { MatmulStep, MatrixView } from "./step.ts";

/** Up to this many rows b is read in place. */
export const rowsReadInPlace = 40;

/** For more rows, packing takes less than a thirtieth of the product: not worth a second copy. */
const rowsPackedOnce = 256;

/** Most elements of all packed weights of a program: 512 MiB. */
const mostElements = 2 ** 27;

/** Depth of a block: six rows of a and a pair of panels fill the first-level cache. */
const maximumDepthBlock = 768;

/** Columns of the widest panel. */
const widestPanel = 16;

/** Elements behind the panels that packing may write. */
const slack = 64;

/** A weight given by its columns, as linear layers read it, so that packing has to transpose it. */
export interface PackedWeight {
  readonly b: MatrixView;
  readonly n: number;
  readonly k: number;
  /** Blocks of the depth follow each other, each with all its panels. */
  readonly depthBlock: number;
}

/**
 * The weights that are packed before a program runs, by their names; none where they are so large
 * that a second copy may not fit.
 */
export function packedWeights(program: Program): ReadonlyMap<string, PackedWeight> {
  const weights = new Map<string, PackedWeight>();
  for (const step of program.steps) {
    if (step.kind !== "matmul" || step.m > rowsPackedOnce) continue;
    const weight = packableFactor(step);
    if (weight && keepsState(program, weight.b.buffer)) weights.set(weightName(weight), weight);
  }
  const elements = [...weights.values()].reduce((sum, weight) => sum + packedElements(weight), 0);
  return elements <= mostElements ? weights : new Map();
}

/** The right factor of a product, where it would be packed. */
export function packableFactor(step: MatmulStep): PackedWeight | undefined {
  const { batch, m, n, k, b } = step;
  const packs = batch === 1 && m > rowsReadInPlace && b.columnStride !== 1 && b.dtype === "f32";
  return packs ? { b, n, k, depthBlock: packedDepthBlock(step) } : undefined;
}

/** Equal factors, packed alike, have equal names. */
export function weightName({ b, n, k, depthBlock }: PackedWeight): string {
  const { buffer, offset, rowStride, columnStride } = b;
  return [buffer, offset, rowStride, columnStride, n, k, depthBlock].join();
}

/** Elements that a weight takes once it is packed. */
export function packedElements({ n, k }: PackedWeight): number {
  return Math.ceil(n / widestPanel) * widestPanel * Math.ceil(k / 4) * 4 + slack;
}

/** Depth of the blocks that b is packed in. */
export function packedDepthBlock(step: MatmulStep): number {
  return keepsOutput(step) ? step.k : blockSize(step.k, maximumDepthBlock, 8);
}

/** Whether the epilogue reads what the output holds before the product is stored. */
export function keepsOutput({ epilogueInputs, output }: MatmulStep): boolean {
  return epilogueInputs.some(({ buffer }) => buffer === output.buffer);
}

/** Whether a buffer is a state that the program does not change. */
function keepsState({ buffers, steps }: Program, buffer: number): boolean {
  return buffers[buffer]?.kind === "state" && !steps.some((step) => changes(step, buffer));
}

function changes(step: Step, buffer: number): boolean {
  if (step.kind === "adamw") {
    return [step.parameter, step.average].some((view) => view?.buffer === buffer);
  }
  return "output" in step && step.output.buffer === buffer;
}
