/**
 * Pictures of which only the grids of patches are given, packed by first-fit, as work to be timed.
 *
 * @module
 */
import { ripple } from "../../base/ripple.ts";
import { packFirstFit, type Sequence } from "../../data/packing/packing.ts";
import { gridTokens, type PatchGrid } from "../../data/packing/patch_grid.ts";
import type { Device } from "../../kernels/device.ts";
import type { HostArray } from "../../kernels/shape.ts";
import { type NaViTConfig, patchWidth } from "../../models/navit/model.ts";
import { withPositions } from "../../models/navit/workload.ts";
import type { Job } from "../workloads/workload.ts";
import { loadNaViTJob } from "./workload.ts";

/** A picture to be packed. */
interface Item {
  readonly grid: PatchGrid;
  readonly tokens: number;
  readonly textTokens: 0;
}

/** A forward pass over all pictures in one batch, in sequences as long as the largest picture. */
export async function loadPictures(
  device: Device,
  config: NaViTConfig,
  grids: readonly PatchGrid[],
): Promise<Job> {
  const length = Math.max(...grids.map(gridTokens));
  const sequences = packAll(grids, length);
  const slots = Math.max(...sequences.map(({ items }) => items.length));
  const longest = Math.max(...grids.flatMap(({ rows, columns }) => [rows, columns]));
  const shape = { sequences: sequences.length, length, slots };
  const arrays = packedArrays(sequences, length);
  const patches = ripple(sequences.length * length * patchWidth(config), 1);
  const batches = [{ ...arrays, patches }];
  return await loadNaViTJob(device, "forward", withPositions(config, longest), { shape, batches });
}

/** Largest first, in as few sequences as first-fit needs. */
function packAll(grids: readonly PatchGrid[], length: number): Sequence<Item>[] {
  const items = grids.map((grid): Item => ({ grid, tokens: gridTokens(grid), textTokens: 0 }))
    .sort((a, b) => b.tokens - a.tokens);
  const total = items.reduce((sum, { tokens }) => sum + tokens, 0);
  const capacity = { tokens: length, images: items.length, textTokens: 0 };
  for (let count = Math.ceil(total / length);; count++) {
    const { sequences, packed } = packFirstFit(count, capacity, items);
    if (packed === items.length) return sequences;
  }
}

/** Segments and coordinates of all tokens; places that are left over belong to no picture. */
function packedArrays(
  sequences: readonly Sequence<Item>[],
  length: number,
): Record<"segments" | "rows" | "columns" | "gridRows" | "gridColumns", HostArray> {
  const filled = (value: number) => new Int32Array(sequences.length * length).fill(value);
  const [segments, rows, columns] = [filled(-1), filled(0), filled(0)];
  const [gridRows, gridColumns] = [filled(1), filled(1)];
  sequences.forEach(({ items }, sequence) => {
    let place = sequence * length;
    items.forEach(({ grid, tokens }, slot) => {
      for (let token = 0; token < tokens; token++, place++) {
        segments[place] = slot;
        rows[place] = Math.floor(token / grid.columns);
        columns[place] = token % grid.columns;
        gridRows[place] = grid.rows;
        gridColumns[place] = grid.columns;
      }
    });
  });
  return { segments, rows, columns, gridRows, gridColumns };
}
