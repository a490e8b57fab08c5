/**
 * Golden data made with PyTorch (see `tests/fixtures/README.md`) and comparison with it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { openSafetensors } from "../formats/tensors/safetensors.ts";
import type { HostArray } from "../kernels/shape.ts";
import type { DiTConfig } from "../models/dit/model.ts";

/** Tensors of a fixture by name. */
export interface Golden {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly about: Readonly<Record<string, unknown>>;
  has(name: string): boolean;
  floats(name: string): Float32Array;
  integers(name: string): Int32Array;
}

const folder = `${import.meta.dirname}/fixtures/`;

/** Loads `tests/fixtures/<name>.safetensors`. */
export async function loadGolden(name: string): Promise<Golden> {
  using reader = await openSafetensors(`${folder}${name}.safetensors`);
  const integers = new Map<string, Int32Array>();
  const floats = new Map<string, Float32Array>();
  const shapes = new Map<string, readonly number[]>();
  for (const [tensor, { type, shape }] of reader.tensors) {
    shapes.set(tensor, shape);
    if (type === "I32") integers.set(tensor, reader.readInt32(tensor));
    else floats.set(tensor, reader.readFloat32(tensor));
  }
  const get = <T>(map: Map<string, T>, tensor: string): T => {
    const value = map.get(tensor);
    assert(value, `${name} has no tensor ${tensor}`);
    return value;
  };
  return {
    shapes,
    about: JSON.parse(reader.metadata.about ?? "{}"),
    has: (tensor) => shapes.has(tensor),
    floats: (tensor) => get(floats, tensor),
    integers: (tensor) => get(integers, tensor),
  };
}

/** Loads `tests/fixtures/<name>.json`. */
export async function loadJson<Value>(name: string): Promise<Value> {
  return JSON.parse(await Deno.readTextFile(`${folder}${name}.json`));
}

/** Loads `tests/fixtures/<name>.config.json`. */
export function loadConfig<Config = DiTConfig>(name: string): Promise<Config> {
  return loadJson(`${name}.config`);
}

/**
 * Checks that the largest difference is at most `tolerance` times the largest magnitude expected.
 *
 * @returns that ratio
 */
export function assertClose(
  what: string,
  actual: HostArray,
  expected: Float32Array,
  tolerance: number,
): number {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let [difference, magnitude] = [0, 0];
  for (let index = 0; index < expected.length; index++) {
    const distance = Math.abs(actual[index] - expected[index]);
    // A NaN must not be lost in a comparison.
    if (!(distance <= difference)) difference = distance;
    magnitude = Math.max(magnitude, Math.abs(expected[index]));
  }
  const ratio = difference / Math.max(magnitude, Number.MIN_VALUE);
  assert(ratio <= tolerance, `${what}: off by ${ratio} of the largest magnitude ${magnitude}`);
  return ratio;
}

/** Fixtures keep every `stride`-th element of tensors with more than `fullLimit` elements. */
export function thinned(values: HostArray, { about }: Golden): Float32Array {
  const { fullLimit, stride } = about as { fullLimit: number; stride: number };
  const all = Float32Array.from(values);
  return all.length <= fullLimit ? all : all.filter((_, index) => index % stride === 0);
}
