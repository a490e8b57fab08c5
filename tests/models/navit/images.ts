/**
 * Images one at a time, for tests of evaluations: a picture becomes tokens without the loader, and its
 * logits come from a sequence that holds nothing else.
 *
 * @module
 */
import { gridTokens, type PatchGrid } from "../../../data/packing/patch_grid.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import { resize, triangleFilter } from "../../../data/pictures/resample.ts";
import { openSafetensors } from "../../../formats/tensors/safetensors.ts";
import type { Device, DeviceBuffer } from "../../../kernels/device.ts";
import { randomElement } from "../../../base/philox.ts";
import { elementCount } from "../../../kernels/shape.ts";
import { type NaViTConfig, navitParameters, patchWidth } from "../../../models/navit/model.ts";
import { type Forward, loadForward, type TestImage, type Weights } from "./batches.ts";

/** Random weights, those of the head too, which would be zeros at the start of a run. */
export function randomWeights(config: NaViTConfig): Weights {
  const specifications = navitParameters(config);
  const shapes = new Map(specifications.map(({ name, shape }) => [name, shape]));
  return {
    shapes,
    floats: (name) => {
      const row = [...shapes.keys()].indexOf(name);
      const shape = shapes.get(name)!;
      const deviation = shape.length === 2 ? 2 / Math.sqrt(shape[1]) : 0.5;
      const mean = name.endsWith("norm.weight") ? 1 : 0;
      return Float32Array.from(
        { length: elementCount(shape) },
        (_, index) => mean + deviation * randomElement("normal", [5, 0], row, 0, 1, index),
      );
    },
  };
}

/** The weights of a safetensors file. */
export async function readFileWeights(path: string): Promise<Weights> {
  using reader = await openSafetensors(path);
  const names = [...reader.tensors.keys()];
  const values = new Map(names.map((name) => [name, reader.readFloat32(name)]));
  const shapes = new Map([...reader.tensors].map(([name, { shape }]) => [name, shape]));
  return { shapes, floats: (name) => values.get(name)! };
}

/** Weights as parameters on a device. */
export function uploadWeights(device: Device, weights: Weights): Map<string, DeviceBuffer> {
  return new Map([...weights.shapes].map(([name, shape]) => {
    const buffer = device.createBuffer(name, "f32", elementCount(shape));
    buffer.write(weights.floats(name));
    return [name, buffer];
  }));
}

/** A picture as whole tokens at a grid, cut by the definition of a patch. */
export async function imageOf(
  config: NaViTConfig,
  set: PictureSet,
  index: number,
  { rows, columns }: PatchGrid,
): Promise<TestImage> {
  const { patch, channels } = config;
  const picture = resize(
    await set.decode(index),
    triangleFilter,
    rows * patch,
    columns * patch,
  );
  const width = patchWidth(config);
  const patches = Float32Array.from({ length: rows * columns * width }, (_, place) => {
    const [token, value] = [Math.floor(place / width), place % width];
    const [channel, pixel] = [Math.floor(value / patch ** 2), value % patch ** 2];
    const row = Math.floor(token / columns) * patch + Math.floor(pixel / patch);
    const column = (token % columns) * patch + pixel % patch;
    return picture.data[(row * picture.width + column) * channels + channel] / 127.5 - 1;
  });
  const places = Array.from({ length: rows * columns }, (_, place) => place);
  return { gridRows: rows, gridColumns: columns, places, patches };
}

/** Logits of one picture after the other, each in a sequence of exactly its tokens. */
export async function logitsOneByOne(
  device: Device,
  config: NaViTConfig,
  weights: Weights,
  set: PictureSet,
  grids: readonly PatchGrid[],
): Promise<Float32Array[]> {
  const forwards = new Map<number, Forward>();
  const logits: Float32Array[] = [];
  for (const [index, grid] of grids.entries()) {
    const tokens = gridTokens(grid);
    const shape = { sequences: 1, length: tokens, slots: 1 };
    const forward = forwards.get(tokens) ?? await loadForward(device, config, shape, weights);
    forwards.set(tokens, forward);
    const [values] = await forward.run([[await imageOf(config, set, index, grid)]]);
    logits.push(values);
  }
  return logits;
}
