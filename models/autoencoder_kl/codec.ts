/**
 * An autoencoder at work on a device: pictures to the moments of their latents, latents to pictures.
 *
 * A picture is coded whole where that fits into the memory of the device, which is exact: group norms
 * and the attention see all of it. A larger one is coded in tiles that overlap and are blended.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { Device, Executable, MemoryLimits } from "../../kernels/device.ts";
import { allocatedBytes, programAllocations } from "../../kernels/footprint.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import type { Program } from "../../kernels/program.ts";
import { TooLargeError } from "../../kernels/shape.ts";
import { input } from "../../kernels/tensor.ts";
import { lookup, parameterStates } from "../../nn/parameters.ts";
import type { CodingProgress, CodingTarget } from "../coder.ts";
import {
  axisSize,
  BlendedPlanes,
  cutTile,
  scaledAxis,
  type Sides,
  tileAxis,
  type TiledAxis,
} from "../tiles.ts";
import {
  type AutoencoderKLConfig,
  autoencoderKLParameters,
  decode,
  encode,
  spatialFactor,
} from "./model.ts";

/** From pictures to moments, or from latents to pictures. */
export type Half = "encode" | "decode";

/** How pictures are coded. */
export interface CodingSettings {
  /** Which way. */
  readonly half: Half;
  /** Pictures at a time. */
  readonly batch: number;
  /** Sides of their latents. */
  readonly size: Sides;
  /** Sides of a tile, in positions of the latent; those of the latent: in one piece. */
  readonly tile: Sides;
}

/** Sides of tiles that are tried, in positions of the latent. */
const tileSides = [128, 96, 64, 48, 32, 24, 16, 8];

/** The part of a tile that it has in common with a neighbour. */
const overlapShare = 1 / 4;

/** The program that codes tiles, from `in` to `out`. */
export function tileProgram(
  config: AutoencoderKLConfig,
  { half, batch, tile: { height, width } }: CodingSettings,
): Program {
  const parameters = lookup(parameterStates(autoencoderKLParameters(config)));
  const factor = spatialFactor(config);
  const from = half === "encode"
    ? input("in", [batch, config.channels, factor * height, factor * width])
    : input("in", [batch, config.latentChannels, height, width]);
  const out = { encode, decode }[half](config, parameters, from);
  return compile(makeGraph(half, { outputs: { out } }));
}

/**
 * Bytes that are taken on a device while it codes: weights of the half, activations of a tile, thread
 * scratch, and what was taken before.
 */
export function codingMemory(
  config: AutoencoderKLConfig,
  settings: CodingSettings,
  target: CodingTarget,
): number {
  return memoryOf(tileProgram(config, settings), target).total;
}

function memoryOf(program: Program, { kind, threads, taken = 0 }: CodingTarget) {
  const sizes = programAllocations(program, kind, new Set())
    .map(({ bytes }) => allocatedBytes(bytes, kind));
  const scratch = kind.threads ? threads * allocatedBytes(kind.threads.scratchBytes, kind) : 0;
  const total = sizes.reduce((sum, bytes) => sum + bytes, scratch + taken);
  return { total, largest: Math.max(...sizes) };
}

/** What is to be coded; how is up to the plan. */
export interface CodingRequest {
  /** Which way. */
  readonly half: Half;
  /** Pictures at a time at most. */
  readonly batch: number;
  /** Sides of their latents. */
  readonly size: Sides;
  /** Sides of tiles in positions of the latent, where they are not up to the plan. */
  readonly tile?: Sides;
}

/**
 * The plan that fits into the memory of a device: fewer pictures at a time before tiles, and the largest
 * tiles that fit.
 *
 * @throws InputError when not even the smallest fit
 */
export async function planCoding(
  config: AutoencoderKLConfig,
  request: CodingRequest,
  target: CodingTarget,
): Promise<CodingSettings> {
  const limits = await target.kind.limits();
  const found = plansOf(request).find((settings) => fits(config, settings, target, limits));
  if (found) return found;
  const { half, tile } = plansOf(request).at(-1)!;
  throw new InputError(
    `${half}: not even a tile of ${tile.height} x ${tile.width} latent positions fits into the ` +
      `memory of ${limits.owner}`,
  );
}

function fits(
  config: AutoencoderKLConfig,
  settings: CodingSettings,
  target: CodingTarget,
  { total = Infinity, buffer }: MemoryLimits,
): boolean {
  try {
    const memory = memoryOf(tileProgram(config, settings), target);
    return memory.total <= total && memory.largest <= buffer;
  } catch (error) {
    if (error instanceof TooLargeError) return false;
    throw error;
  }
}

/** Plans in the order of preference. */
function plansOf({ half, batch, size, tile = size }: CodingRequest): CodingSettings[] {
  const batches = [batch];
  while (batches.at(-1)! > 1) batches.push(Math.floor(batches.at(-1)! / 2));
  const { height, width } = tile;
  const smaller = tileSides.filter((side) => tile === size && side < Math.max(height, width))
    .map((side) => ({ height: Math.min(side, height), width: Math.min(side, width) }));
  return [
    ...batches.map((batch) => ({ half, batch, size, tile })),
    ...smaller.map((tile) => ({ half, batch: 1, size, tile })),
  ];
}

/** Tiles of what goes into a half or comes out of it. */
interface TiledPlanes {
  /** Channels of all pictures. */
  readonly planes: number;
  readonly rows: TiledAxis;
  readonly columns: TiledAxis;
}

/** The tiles of both ends of a half. */
function tilesOf(
  config: AutoencoderKLConfig,
  { half, batch, size, tile }: CodingSettings,
): { readonly from: TiledPlanes; readonly to: TiledPlanes } {
  const axis = (side: keyof Sides) =>
    tileAxis(size[side], tile[side], Math.floor(tile[side] * overlapShare));
  const [rows, columns] = [axis("height"), axis("width")];
  const factor = spatialFactor(config);
  const pixels = {
    planes: batch * config.channels,
    rows: scaledAxis(rows, factor),
    columns: scaledAxis(columns, factor),
  };
  const latents = (channels: number) => ({ planes: batch * channels, rows, columns });
  return half === "encode"
    ? { from: pixels, to: latents(2 * config.latentChannels) }
    : { from: latents(config.latentChannels), to: pixels };
}

/** Codes pictures of one size in one direction. */
export class PictureCoder implements Disposable {
  readonly #executable: Executable;
  readonly #from: TiledPlanes;
  readonly #to: TiledPlanes;

  private constructor(executable: Executable, from: TiledPlanes, to: TiledPlanes) {
    this.#executable = executable;
    this.#from = from;
    this.#to = to;
  }

  /**
   * Compiles the program and takes over the weights of the half.
   *
   * @param weights the values of a parameter
   */
  static async create(
    device: Device,
    config: AutoencoderKLConfig,
    settings: CodingSettings,
    weights: (name: string) => Float32Array,
  ): Promise<PictureCoder> {
    const program = tileProgram(config, settings);
    const executable = await device.load(program);
    for (const { kind, name } of program.buffers) {
      if (kind === "state") executable.buffer(name).write(weights(name));
    }
    const { from, to } = tilesOf(config, settings);
    return new PictureCoder(executable, from, to);
  }

  /**
   * Codes a batch of pictures.
   *
   * @param progress called behind every tile
   * @param from (N, C, f h, f w) in [-1, 1] to encode, (N, c, h, w) to decode; row-major
   * @returns moments (N, 2 c, h, w), or pictures (N, C, f h, f w), which are not clamped
   * @throws RangeError for another number of elements
   */
  async run(from: Float32Array, progress?: CodingProgress): Promise<Float32Array<ArrayBuffer>> {
    const { planes, rows, columns } = this.#from;
    const sides = { height: axisSize(rows), width: axisSize(columns) };
    if (from.length !== planes * sides.height * sides.width) {
      throw new RangeError(
        `${from.length} elements are not ${planes} planes of ${sides.height} x ${sides.width}`,
      );
    }
    const to = new BlendedPlanes(this.#to.planes, this.#to.rows, this.#to.columns);
    const total = rows.starts.length * columns.starts.length;
    for (let index = 0; index < total; index++) {
      const column = index % columns.starts.length;
      const row = (index - column) / columns.starts.length;
      this.#executable.buffer("in").write(cutTile(from, sides, rows, columns, [row, column]));
      this.#executable.run();
      to.add(await this.#executable.buffer("out").read(), row, column);
      await progress?.(index + 1, total);
    }
    return to.values;
  }

  /** Frees everything on the device. */
  [Symbol.dispose](): void {
    this.#executable.destroy();
  }
}
