/**
 * What a denoiser of clips works on, and the pixels that it stands for.
 *
 * @module
 */
import { type ClipSize, type CodecGrid, positions } from "./codec.ts";

/** Pixels of clips to what a denoiser sees, and back. */
export interface ClipCodec extends Disposable {
  /** How pixels and what the denoiser sees are related. */
  readonly grid: CodecGrid;
  /** Channels of the pixels. */
  readonly colours: number;
  /** Lines about how it works. */
  readonly notes: readonly string[];
  /** Clips (n, C, 1 + m s, H, W) in [-1, 1] as a denoiser sees them, (n, c, 1 + m, h, w). */
  encode(pixels: Float32Array, size: ClipSize): Promise<Float32Array>;
  /** The clips (n, C, 1 + m s, H, W) behind what a denoiser draws, (n, c, 1 + m, h, w); not clamped. */
  decode(latents: Float32Array, size: ClipSize): Promise<Float32Array>;
}

/** That of a denoiser of pixels. @param channels of the clips */
export const pixelCodec = (channels: number): ClipCodec => ({
  grid: { channels, frames: 1, side: 1 },
  colours: channels,
  notes: [],
  encode: (pixels) => Promise.resolve(pixels),
  decode: (latents) => Promise.resolve(latents),
  [Symbol.dispose]() {},
});

/** Numbers of one clip of so many channels. */
export const clipLength = (channels: number, size: ClipSize): number => channels * positions(size);
