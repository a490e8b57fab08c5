/**
 * Codecs: networks from pixels to latents and back, which denoisers work on.
 *
 * All of them take clips; a picture is a clip of one frame. A latent frame stands for the same number of
 * frames each, only the first one for a single frame, so that a picture has a latent too.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import type { Tensor } from "../kernels/tensor.ts";
import { type FamilyConfig, requireMultiple } from "../nn/config.ts";
import type { Parameters } from "../nn/parameters.ts";

/** A weight, a latent or a pixel that is no number. */
export class NonFiniteCodecError extends Error {
  /** Shown before the message. */
  override readonly name = "NonFiniteCodecError";
  /** Exit code of the command line. */
  readonly exitCode = 3;
}

/** Frames and sides of a clip, in pixels or in positions of its latent. */
export interface ClipSize {
  /** Pictures one after the other; a picture by itself is 1. */
  readonly frames: number;
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
}

/** The latent of a codec beside its pixels. */
export interface CodecGrid {
  /** Channels of the latent. */
  readonly channels: number;
  /** Frames s that a latent frame stands for, but the first: clips have 1 + m s of them. */
  readonly frames: number;
  /** Pixels f along the sides of a latent position: sides of clips are multiples. */
  readonly side: number;
}

/** What a chunk of a clip knows of the frames before it. */
export interface Past {
  /** Whether there are none: the chunk begins the clip. */
  readonly isFirst: boolean;
  /**
   * What a layer gets to see, frames along axis 1: x behind the last `count` frames that the same layer
   * saw of the chunk before; in the first chunk x itself. Layers ask in the same order in every chunk.
   */
  behind(x: Tensor, count: number): Tensor;
}

/** That of a clip in one piece. */
export const noPast: Past = { isFirst: true, behind: (x) => x };

/** How the models of a family code pixels. */
export interface CodecFace<Config extends FamilyConfig> {
  /** The sizes of clips that a model takes, and of their latents. */
  grid(config: Config): CodecGrid;
  /**
   * Traces pixels (N, 3, 1 + m s, H, W) in [-1, 1] to latents (N, c, 1 + m, H / f, W / f); a chunk behind
   * others has m s frames and m latent ones.
   */
  encode(config: Config, parameters: Parameters, pixels: Tensor, past?: Past): Tensor;
  /**
   * Traces latents (N, c, 1 + m, h, w) to pixels (N, 3, 1 + m s, f h, f w), which are not clamped; of a
   * chunk behind others, m latent frames to m s.
   */
  decode(config: Config, parameters: Parameters, latents: Tensor, past?: Past): Tensor;
}

/** The size of the latent of a clip that the codec takes. */
export const latentSize = (grid: CodecGrid, { frames, height, width }: ClipSize): ClipSize => ({
  frames: 1 + (frames - 1) / grid.frames,
  height: height / grid.side,
  width: width / grid.side,
});

/** The size of the clip that a latent stands for. */
export const clipSize = (grid: CodecGrid, { frames, height, width }: ClipSize): ClipSize => ({
  frames: 1 + (frames - 1) * grid.frames,
  height: height * grid.side,
  width: width * grid.side,
});

/** Elements of a frame times frames: pixels of a clip, positions of a latent. */
export const positions = ({ frames, height, width }: ClipSize): number => frames * height * width;

/** The numbers of frames that a codec takes next to one that it does not take, in words. */
function nearestFrames({ frames: step }: CodecGrid, frames: number): string {
  const below = 1 + Math.floor((frames - 1) / step) * step;
  return below < 1 ? "1" : `${below} and ${below + step}`;
}

/** Whether a clip of so many frames has a latent. */
const isLegal = ({ frames: step }: CodecGrid, frames: number): boolean =>
  frames >= 1 && (frames - 1) % step === 0;

/**
 * Checks that a codec takes clips of this size.
 *
 * @throws InputError with the nearest valid values
 */
export function checkClipSize(
  grid: CodecGrid,
  { frames, height, width }: ClipSize,
  where: string,
): void {
  if (!isLegal(grid, frames)) {
    throw new InputError(
      `${where}: ${frames} frames are not 1 + a multiple of ${grid.frames}; ` +
        `nearest numbers: ${nearestFrames(grid, frames)}`,
    );
  }
  const { side } = grid;
  for (const [what, pixels] of [["height", height], ["width", width]] as const) {
    requireMultiple(where, [what, pixels], [`divisible by ${side}`, side], `${what}s`);
  }
}

/** The most frames of a clip that a codec takes, which leaves out fewer than `grid.frames`. */
export const trimmedFrames = (grid: CodecGrid, frames: number): number =>
  frames - (frames - 1) % grid.frames;

/** A clip to be counted and timed on, and the positions of its latent as tokens. */
export interface CodecSample {
  readonly tokens: number;
  readonly clip: ClipSize;
}

/**
 * A clip of the usual size, but for what is asked.
 *
 * @param what a clip is called in messages
 * @throws InputError with the nearest valid values for a size that the codec does not take
 */
export function codecSample(
  grid: CodecGrid,
  usual: ClipSize,
  asked: { readonly side?: number; readonly frames?: number },
  what: string,
): CodecSample {
  const clip = {
    frames: asked.frames ?? usual.frames,
    height: asked.side ?? usual.height,
    width: asked.side ?? usual.width,
  };
  checkClipSize(grid, clip, what);
  return { tokens: positions(latentSize(grid, clip)), clip };
}
