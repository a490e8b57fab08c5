/**
 * Packed batches for tests of NaViT: those of the golden data, and images put into slots by hand.
 *
 * @module
 */
import type { Device, DeviceBuffer, Executable } from "../../../kernels/device.ts";
import type { HostArray } from "../../../kernels/shape.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { graphInputs } from "../../../kernels/graph/graph.ts";
import { type NaViTConfig, patchWidth } from "../../../models/navit/model.ts";
import { navitForwardGraph, type PackShape } from "../../../models/navit/graph.ts";
import type { Golden } from "../../golden.ts";

/** The shape of the batch in a golden file. */
export function goldenShape({ shapes }: Golden): PackShape {
  const [sequences, length] = shapes.get("input.segments")!;
  return { sequences, length, slots: shapes.get("input.indices")![1] };
}

/** Writes the inputs that a program has from a golden file. */
export function writeGoldenInputs(
  executable: Executable,
  golden: Golden,
  names: Iterable<string>,
): void {
  for (const name of names) {
    const tensor = `input.${name}`;
    if (!golden.has(tensor)) continue;
    const isFloat = name === "patches" || name === "weights";
    executable.buffer(name).write(isFloat ? golden.floats(tensor) : golden.integers(tensor));
  }
}

/** Parameters by name. */
export type Weights = Pick<Golden, "shapes" | "floats">;

/** Writes parameters into the buffers of the same name. */
export function writeParameters(
  buffer: (name: string) => DeviceBuffer,
  weights: Weights,
  names: Iterable<string> = weights.shapes.keys(),
): void {
  for (const name of names) buffer(name).write(weights.floats(name));
}

/** An image as its tokens. */
export interface TestImage {
  readonly gridRows: number;
  readonly gridColumns: number;
  /** Places of its tokens in the grid, row-major numbers; all of them when nothing is dropped. */
  readonly places: readonly number[];
  /** (tokens, C p p) */
  readonly patches: Float32Array;
}

/** An image without a pattern, whole unless places are given. */
export function testImage(
  config: NaViTConfig,
  gridRows: number,
  gridColumns: number,
  seed: number,
  places: readonly number[] = Array.from({ length: gridRows * gridColumns }, (_, i) => i),
): TestImage {
  const width = patchWidth(config);
  const patches = Float32Array.from(
    { length: places.length * width },
    (_, i) => Math.sin(seed * 97 + places[Math.floor(i / width)] * 31 + (i % width) * 7.3),
  );
  return { gridRows, gridColumns, places, patches };
}

/** Images by sequence, in slots 0, 1, ... */
export type Sequences = readonly (readonly TestImage[])[];

/** The arrays of a batch. */
export function packImages(
  config: NaViTConfig,
  { sequences, length }: PackShape,
  images: Sequences,
): Record<string, HostArray> {
  const width = patchWidth(config);
  const integers = (fill: number) => new Int32Array(sequences * length).fill(fill);
  const batch = {
    patches: new Float32Array(sequences * length * width),
    segments: integers(-1),
    rows: integers(0),
    columns: integers(0),
    gridRows: integers(1),
    gridColumns: integers(1),
  };
  images.forEach((sequence, number) => {
    let token = number * length;
    sequence.forEach(({ gridRows, gridColumns, places, patches }, slot) => {
      batch.patches.set(patches, token * width);
      for (const place of places) {
        batch.segments[token] = slot;
        batch.rows[token] = Math.floor(place / gridColumns);
        batch.columns[token] = place % gridColumns;
        batch.gridRows[token] = gridRows;
        batch.gridColumns[token] = gridColumns;
        token++;
      }
    });
  });
  return batch;
}

/** A forward pass that can be run on any images. */
export interface Forward {
  /** Logits of the images, in the order they lie in the sequences. */
  run(images: Sequences): Promise<Float32Array[]>;
}

/** Loads a forward pass with parameters of its own. */
export async function loadForward(
  device: Device,
  config: NaViTConfig,
  shape: PackShape,
  weights: Weights,
): Promise<Forward> {
  const graph = navitForwardGraph(config, shape);
  const executable = await device.load(compile(graph));
  writeParameters((name) => executable.buffer(name), weights);
  const names = graphInputs(graph);
  const run = async (images: Sequences): Promise<Float32Array[]> => {
    for (const [name, data] of Object.entries(packImages(config, shape, images))) {
      if (names.has(name)) executable.buffer(name).write(data);
    }
    executable.run();
    const logits = await executable.buffer("logits").read() as Float32Array;
    const { slots } = shape;
    return images.flatMap((sequence, number) =>
      sequence.map((_, slot) => {
        const start = (number * slots + slot) * config.classes;
        return logits.slice(start, start + config.classes);
      })
    );
  };
  return { run };
}
