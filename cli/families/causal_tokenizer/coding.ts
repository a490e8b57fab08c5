/**
 * How tokenizers work on clips, in words.
 *
 * @module
 */
import type { CodingPlan } from "../../../models/coder.ts";

/** How clips are divided. */
export function describePlan({ chunks, tile }: CodingPlan): string {
  const tiles = tile ? [`tiles of ${tile.height} x ${tile.width} latent positions, blended`] : [];
  const parts = chunks.length === 1 ? [] : [`chunks of ${chunks.join(", ")} latent frames`];
  const all = [...tiles, ...parts];
  return all.length === 0 ? "in one piece" : `in ${all.join(", in ")}`;
}
