/**
 * What tokenizers are trained on and evaluated with.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import { checkClipSize, type ClipSize } from "../codec.ts";
import { causalTokenizerCodec } from "./graph.ts";
import { type CausalTokenizerConfig, colours } from "./model.ts";

/** Pictures, or clips, which say how many frames they have. */
export type TokenizerData = ImageDataset & { readonly frames?: number };

/** The size of the samples of a set; a picture is a clip of one frame. */
export const clipOf = ({ frames = 1, height, width }: TokenizerData): ClipSize => ({
  frames,
  height,
  width,
});

/**
 * Checks that a tokenizer can be trained on a set.
 *
 * @throws InputError with the nearest valid values
 */
export function checkTokenizerData(config: CausalTokenizerConfig, data: TokenizerData): void {
  checkClipSize(causalTokenizerCodec.grid(config), clipOf(data), data.name);
  if (data.channels === colours) return;
  throw new InputError(`${data.name}: has ${data.channels} channels, a tokenizer ${colours}`);
}
