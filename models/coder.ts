/**
 * Coding clips of any length and size on a device.
 *
 * Chunk after chunk in time, with what each layer must remember of the frames before: memory does not
 * grow with the length, the numbers are those of the clip in one piece, and no frame is computed twice.
 * Where not even single latent frames fit, in tiles of space that overlap and are blended: norms take
 * statistics of all that they see, so that a tile is coded as a clip of its own.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import type { Device, DeviceBuffer, DeviceKind, Executable } from "../kernels/device.ts";
import { allocatedBytes, programAllocations } from "../kernels/footprint.ts";
import { compile } from "../kernels/graph/compile.ts";
import { type Graph, graphCost, makeGraph, type Update } from "../kernels/graph/graph.ts";
import { broadcastTo, concatenate, slice } from "../kernels/ops/movement/op.ts";
import type { Program } from "../kernels/program.ts";
import { elementCount, type Shape, storedBytes, TooLargeError } from "../kernels/shape.ts";
import { constantTensor, input, state, type Tensor } from "../kernels/tensor.ts";
import type { FamilyConfig } from "../nn/config.ts";
import { lookup, type ParameterSpecification, parameterStates } from "../nn/parameters.ts";
import { checkClipSize, type ClipSize, type CodecFace, latentSize, type Past } from "./codec.ts";
import {
  axisSize,
  BlendedPlanes,
  cutTile,
  scaledAxis,
  type Sides,
  tileAxis,
  type TiledAxis,
} from "./tiles.ts";

/** A codec of a family with a configuration. */
export interface Codec<Config extends FamilyConfig = FamilyConfig> {
  /** Its networks. */
  readonly face: CodecFace<Config>;
  /** Size and shape. */
  readonly config: Config;
  /** The parameters in declaration order. */
  readonly specifications: readonly ParameterSpecification[];
}

/** From pixels to latents, or back. */
export type Direction = "encode" | "decode";

/** What a clip is coded with. */
export interface CodingSettings {
  /** Which way. */
  readonly direction: Direction;
  /** Clips at a time. */
  readonly batch: number;
  /** Frames and sides of the clips, in pixels. */
  readonly clip: ClipSize;
  /** Latent frames of each chunk, in order; together those of the clip. */
  readonly chunks: readonly number[];
  /** Sides of a tile, in positions of the latent; the whole frame when absent. */
  readonly tile?: Sides;
}

/** A device as far as memory is concerned. */
export interface CodingTarget {
  /** What is known of the device. */
  readonly kind: DeviceKind;
  /** Threads, where it has any; 0 for a device that is open, whose scratch is taken already. */
  readonly threads: number;
  /** Bytes that are taken already; none when absent. */
  readonly taken?: number;
}

/** How clips are divided. */
export type CodingPlan = Pick<CodingSettings, "batch" | "chunks" | "tile">;

/** One chunk of a clip, as far as its program depends on it. */
interface Chunk {
  /** Latent frames. */
  readonly frames: number;
  /** Whether it begins the clip. */
  readonly isFirst: boolean;
  /** Whether others come behind it. */
  readonly isRemembered: boolean;
}

/** Layers remember their last frames in states that the programs of all chunks share. */
class RememberedFrames implements Past {
  readonly updates: Update[] = [];
  readonly isFirst: boolean;
  readonly #isRemembered: boolean;
  #layers = 0;

  constructor({ isFirst, isRemembered }: Chunk) {
    this.isFirst = isFirst;
    this.#isRemembered = isRemembered;
  }

  behind(x: Tensor, count: number): Tensor {
    if (count === 0 || (this.isFirst && !this.#isRemembered)) return x;
    const [batch, , ...rest] = x.shape;
    const memory = state(`frames before layer ${this.#layers++}`, [batch, count, ...rest]);
    const seen = this.isFirst ? x : concatenate([memory, x], 1);
    if (this.#isRemembered) this.updates.push({ state: memory, value: lastFrames(seen, count) });
    return seen;
  }
}

/** The last frames of x along axis 1; zeros before its first one where it has fewer. */
function lastFrames(x: Tensor, count: number): Tensor {
  const [batch, frames, ...rest] = x.shape;
  if (frames >= count) return slice(x, 1, frames - count, count);
  const zero = constantTensor(Float32Array.of(0), [1, 1, ...rest.map(() => 1)]);
  return concatenate([broadcastTo(zero, [batch, count - frames, ...rest]), x], 1);
}

/** The part of a tile that it has in common with a neighbour. */
const overlapShare = 1 / 4;

/** Sides of tiles that are tried, in positions of the latent. */
const tileSides = [96, 64, 48, 32, 24, 16, 8];

/** Tiles along both sides, in positions of the latent. */
interface Tiles {
  readonly rows: TiledAxis;
  readonly columns: TiledAxis;
}

function tilesOf({ face, config }: Codec, { clip, tile }: CodingSettings): Tiles {
  const size = latentSize(face.grid(config), clip);
  const { height, width } = tile ?? size;
  const axis = (size: number, length: number) =>
    tileAxis(size, length, Math.floor(length * overlapShare));
  return { rows: axis(size.height, height), columns: axis(size.width, width) };
}

/** Frames of a chunk in pixels. */
const pixelFrames = ({ frames, isFirst }: Chunk, step: number): number =>
  isFirst ? 1 + (frames - 1) * step : frames * step;

/** Shapes of what goes into a chunk and what comes out of it. */
function shapesOf(
  { face, config }: Codec,
  { direction, batch, clip, tile }: CodingSettings,
  chunk: Chunk,
): { readonly from: Shape; readonly to: Shape } {
  const grid = face.grid(config);
  const { height, width } = tile ?? latentSize(grid, clip);
  const frames = pixelFrames(chunk, grid.frames);
  const pixels = [batch, 3, frames, height * grid.side, width * grid.side];
  const latents = [batch, grid.channels, chunk.frames, height, width];
  return direction === "encode" ? { from: pixels, to: latents } : { from: latents, to: pixels };
}

/** The graph of a chunk, from `in` to `out`. */
function chunkGraph(codec: Codec, settings: CodingSettings, chunk: Chunk): Graph {
  const { face, config, specifications } = codec;
  const parameters = lookup(parameterStates(specifications));
  const past = new RememberedFrames(chunk);
  const from = input("in", shapesOf(codec, settings, chunk).from);
  const out = face[settings.direction](config, parameters, from, past);
  const name = `${settings.direction} ${chunk.isFirst ? "the first" : "a"} chunk`;
  return makeGraph(name, { outputs: { out }, updates: past.updates });
}

/** The chunks of a clip. */
function chunksOf({ chunks }: CodingSettings): Chunk[] {
  const isRemembered = chunks.length > 1;
  return chunks.map((frames, index) => ({ frames, isFirst: index === 0, isRemembered }));
}

/** What tells the programs of chunks apart. */
const keyOf = ({ frames, isFirst }: Chunk): string => `${isFirst} ${frames}`;

/** The programs of a plan, each once. */
function programsOf(codec: Codec, settings: CodingSettings): Map<string, Program> {
  const different = new Map(chunksOf(settings).map((chunk) => [keyOf(chunk), chunk]));
  return new Map(
    [...different].map(([key, chunk]) => [key, compile(chunkGraph(codec, settings, chunk))]),
  );
}

/** The program that codes clips in one piece. */
export function wholeProgram(
  codec: Codec,
  request: Pick<CodingSettings, "direction" | "batch" | "clip">,
): Program {
  const { frames } = latentSize(codec.face.grid(codec.config), request.clip);
  const chunk = { frames, isFirst: true, isRemembered: false };
  return compile(chunkGraph(codec, { ...request, chunks: [frames] }, chunk));
}

/** States of programs, by name. */
function statesOf(programs: Iterable<Program>): Map<string, { readonly elements: number }> {
  const states = [...programs].flatMap(({ buffers }) =>
    buffers.filter(({ kind }) => kind === "state")
  );
  return new Map(states.map((buffer) => [buffer.name, buffer]));
}

/**
 * Most bytes that are taken on a device while it codes clips: weights and what layers remember, the
 * programs of one chunk at a time, scratch of the threads, and what was taken before.
 */
export function codingMemory(
  codec: Codec,
  settings: CodingSettings,
  { kind, threads, taken = 0 }: CodingTarget,
): number {
  const programs = [...programsOf(codec, settings).values()];
  const states = statesOf(programs);
  const sum = (sizes: Iterable<number>): number =>
    [...sizes].reduce((total, bytes) => total + allocatedBytes(bytes, kind), 0);
  const held = sum([...states.values()].map(({ elements }) => storedBytes("f32", elements)));
  const bound = new Set(states.keys());
  const own = programs.map((program) =>
    sum(programAllocations(program, kind, bound).map(({ bytes }) => bytes))
  );
  const scratch = kind.threads ? threads * allocatedBytes(kind.threads.scratchBytes, kind) : 0;
  return taken + held + Math.max(...own) + scratch;
}

/** The same; without bound where an array would have more elements than any device takes. */
function memoryIfAny(codec: Codec, settings: CodingSettings, target: CodingTarget): number {
  try {
    return codingMemory(codec, settings, target);
  } catch (error) {
    if (error instanceof TooLargeError) return Infinity;
    throw error;
  }
}

/** Multiply-adds of coding a batch of clips, overlaps of tiles included. */
export function codingCost(codec: Codec, settings: CodingSettings): number {
  const { rows, columns } = tilesOf(codec, settings);
  return chunksOf(settings)
    .map((chunk) => graphCost(chunkGraph(codec, settings, chunk)).multiplyAdds)
    .reduce((total, multiplyAdds) => total + multiplyAdds, 0) *
    rows.starts.length * columns.starts.length;
}

/** Ways to divide so many latent frames, the one with the fewest chunks first. */
export function chunkPlans(frames: number): number[][] {
  const plans = [[frames]];
  for (let size = 2 ** Math.floor(Math.log2(Math.max(frames - 1, 1))); size >= 1; size /= 2) {
    const later = Array.from(
      { length: Math.ceil((frames - 1) / size) },
      (_, index) => Math.min(size, frames - 1 - index * size),
    );
    if (later.length > 0) plans.push([1, ...later]);
  }
  return plans;
}

/** Frames as they are, then ever smaller tiles of them. */
function tilePlans({ height, width }: Sides): (Sides | undefined)[] {
  const smaller = tileSides.filter((side) => side < Math.max(height, width));
  const tiles = smaller.map((side) => ({
    height: Math.min(side, height),
    width: Math.min(side, width),
  }));
  return [undefined, ...tiles];
}

/** Clips in one piece, ever fewer at a time; then one clip in parts, from whole frames to small tiles. */
function* codingPlans(size: ClipSize, mostClips: number): Generator<CodingPlan> {
  for (let batch = mostClips; batch > 1; batch = Math.floor(batch / 2)) {
    yield { batch, chunks: [size.frames] };
  }
  for (const tile of tilePlans(size)) {
    for (const chunks of chunkPlans(size.frames)) yield { batch: 1, chunks, tile };
  }
}

/** What is to be coded; how is up to the plan. */
export interface CodingRequest extends Pick<CodingSettings, "direction" | "clip"> {
  /** Clips at a time at most. */
  readonly batch: number;
}

/**
 * The plan that fits into the memory of a device: fewer clips at a time before parts of one, whole frames
 * before tiles, the largest of these, and the fewest chunks.
 *
 * @throws InputError for a clip that the codec does not take, and when not even single latent frames of the
 * smallest tiles fit
 */
export async function planCoding(
  codec: Codec,
  { batch: mostClips, ...settings }: CodingRequest,
  target: CodingTarget,
): Promise<CodingPlan> {
  const { total, buffer, owner } = await target.kind.limits();
  const limit = total ?? buffer;
  const grid = codec.face.grid(codec.config);
  checkClipSize(grid, settings.clip, settings.direction);
  const size = latentSize(grid, settings.clip);
  let least = Infinity;
  for (const plan of codingPlans(size, mostClips)) {
    const needed = memoryIfAny(codec, { ...settings, ...plan }, target);
    if (needed <= limit) return plan;
    least = Math.min(least, needed);
  }
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new InputError(
    `${settings.direction}: the smallest parts of a clip take ${mebibytes(least)}, ${owner} has ` +
      `${mebibytes(limit)}; take a smaller model`,
  );
}

/** Called behind every part of the work, chunk or tile: how much is done, of how much. */
export type CodingProgress = (done: number, total: number) => void | Promise<void>;

/** One direction of a codec in the memory of a device, whatever its samples are. */
export interface SampleCoder {
  /** Path of its weights. */
  readonly path: string;
  /** Samples at a time. */
  readonly batch: number;
  /**
   * Codes samples.
   *
   * @param from pixels (batch, C, H, W), of clips (batch, C, F, H, W), in [-1, 1], or latents of them
   * @returns what a cache stores of the samples, or pixels, which are not clamped
   */
  run(from: Float32Array, progress?: CodingProgress): Promise<Float32Array>;
}

/** Codes clips of one size in one direction on a device. */
export class Coder implements Disposable {
  readonly #device: Device;
  readonly #codec: Codec;
  readonly #settings: CodingSettings;
  readonly #programs: ReadonlyMap<string, Program>;
  readonly #states: ReadonlyMap<string, DeviceBuffer>;
  /** The program in memory: those of other chunks take its place. */
  #loaded: { readonly key: string; readonly executable: Executable } | undefined;

  private constructor(
    device: Device,
    codec: Codec,
    settings: CodingSettings,
    programs: ReadonlyMap<string, Program>,
    states: ReadonlyMap<string, DeviceBuffer>,
  ) {
    this.#device = device;
    this.#codec = codec;
    this.#settings = settings;
    this.#programs = programs;
    this.#states = states;
  }

  /**
   * Compiles the programs and takes over the weights that the direction needs.
   *
   * @param weights the values of a parameter
   * @throws InputError for a clip that the codec does not take
   * @throws RangeError for chunks that do not make up the clip
   */
  static create(
    device: Device,
    codec: Codec,
    settings: CodingSettings,
    weights: (name: string) => Float32Array,
  ): Coder {
    const grid = codec.face.grid(codec.config);
    checkClipSize(grid, settings.clip, settings.direction);
    const { frames } = latentSize(grid, settings.clip);
    const { chunks, tile } = settings;
    const size = latentSize(grid, settings.clip);
    if (tile && (tile.height > size.height || tile.width > size.width)) {
      throw new RangeError(
        `tiles of ${tile.height} x ${tile.width} are larger than the latent, ` +
          `${size.height} x ${size.width}`,
      );
    }
    const sum = chunks.reduce((total, count) => total + count, 0);
    if (sum !== frames || !chunks.every((count) => Number.isInteger(count) && count >= 1)) {
      throw new RangeError(`chunks of ${chunks.join(", ")} are not ${frames} latent frames`);
    }
    const programs = programsOf(codec, settings);
    const parameters = new Set(codec.specifications.map(({ name }) => name));
    const states = new Map<string, DeviceBuffer>();
    for (const [name, { elements }] of statesOf(programs.values())) {
      const buffer = device.createBuffer(name, "f32", elements);
      if (parameters.has(name)) buffer.write(weights(name));
      states.set(name, buffer);
    }
    return new Coder(device, codec, settings, programs, states);
  }

  /**
   * Codes a batch of clips.
   *
   * @param from (N, 3, frames, H, W) in [-1, 1] to encode, (N, c, f, h, w) to decode; row-major
   * @returns (N, c, f, h, w) or (N, 3, frames, H, W)
   */
  async run(from: Float32Array, progress?: CodingProgress): Promise<Float32Array> {
    const { frames } = latentSize(this.#grid, this.#settings.clip);
    const whole = this.#shapes({ frames, isFirst: true, isRemembered: false });
    const { before, behind } = this.#tiles();
    const sides = { height: axisSize(before.rows), width: axisSize(before.columns) };
    const shape = [...whole.from.slice(0, 3), sides.height, sides.width];
    if (from.length !== elementCount(shape)) {
      throw new RangeError(`${from.length} elements are not clips of (${shape.join(", ")})`);
    }
    const [down, across] = [before.rows, before.columns].map(({ starts }) => starts.length);
    const total = down * across * frames;
    if (total === frames) {
      return await this.#runTile(from, whole, (done) => progress?.(done, total));
    }
    const planes = elementCount(whole.to.slice(0, 3));
    const to = new BlendedPlanes(planes, behind.rows, behind.columns);
    for (let index = 0; index < down * across; index++) {
      const place = [Math.floor(index / across), index % across] as const;
      const tile = cutTile(from, sides, before.rows, before.columns, place);
      const ahead = (done: number) => progress?.(index * frames + done, total);
      to.add(await this.#runTile(tile, whole, ahead), ...place);
    }
    return to.values;
  }

  /** The tiles of what is coded, and of what comes out. */
  #tiles(): { readonly before: Tiles; readonly behind: Tiles } {
    const latents = tilesOf(this.#codec, this.#settings);
    const pixels = {
      rows: scaledAxis(latents.rows, this.#grid.side),
      columns: scaledAxis(latents.columns, this.#grid.side),
    };
    return this.#settings.direction === "encode"
      ? { before: pixels, behind: latents }
      : { before: latents, behind: pixels };
  }

  /** Codes a clip of the size of a tile, chunk by chunk; `whole` are its shapes. */
  async #runTile(
    from: Float32Array,
    whole: { readonly from: Shape; readonly to: Shape },
    progress: (done: number) => void | Promise<void>,
  ): Promise<Float32Array> {
    const to = new Float32Array(elementCount(whole.to));
    let [done, read, written] = [0, 0, 0];
    for (const chunk of chunksOf(this.#settings)) {
      const { from: taken, to: given } = this.#shapes(chunk);
      const executable = await this.#load(chunk);
      executable.buffer("in").write(framesOf(from, whole.from, read, taken[2]));
      executable.run();
      const out = await executable.buffer("out").read() as Float32Array;
      putFrames(out, to, whole.to, written, given[2]);
      read += taken[2];
      written += given[2];
      done += chunk.frames;
      await progress(done);
    }
    return to;
  }

  get #grid() {
    return this.#codec.face.grid(this.#codec.config);
  }

  #shapes(chunk: Chunk) {
    return shapesOf(this.#codec, this.#settings, chunk);
  }

  /** The program of a chunk; the one before leaves memory first. */
  async #load(chunk: Chunk): Promise<Executable> {
    const key = keyOf(chunk);
    if (this.#loaded?.key === key) return this.#loaded.executable;
    this.#unload();
    const executable = await this.#device.load(this.#programs.get(key)!, this.#states);
    this.#loaded = { key, executable };
    return executable;
  }

  #unload(): void {
    this.#loaded?.executable.destroy();
    this.#loaded = undefined;
  }

  /** Frees everything on the device. */
  [Symbol.dispose](): void {
    this.#unload();
    for (const buffer of this.#states.values()) buffer.destroy();
  }
}

/** Frames `first` to `first + count - 1` of clips (N, C, F, H, W). */
export function framesOf(
  clips: Float32Array,
  shape: Shape,
  first: number,
  count: number,
): Float32Array {
  const { planes, frames, pixels } = planesOf(shape);
  const taken = new Float32Array(planes * count * pixels);
  for (let plane = 0; plane < planes; plane++) {
    const start = (plane * frames + first) * pixels;
    taken.set(clips.subarray(start, start + count * pixels), plane * count * pixels);
  }
  return taken;
}

/** Puts frames (N, C, count, H, W) into clips (N, C, F, H, W). */
export function putFrames(
  from: Float32Array,
  clips: Float32Array,
  shape: Shape,
  first: number,
  count: number,
): void {
  const { planes, frames, pixels } = planesOf(shape);
  for (let plane = 0; plane < planes; plane++) {
    const part = from.subarray(plane * count * pixels, (plane + 1) * count * pixels);
    clips.set(part, (plane * frames + first) * pixels);
  }
}

const planesOf = ([batch, channels, frames, height, width]: Shape) => ({
  planes: batch * channels,
  frames,
  pixels: height * width,
});
