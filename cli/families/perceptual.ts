/**
 * Training that compares what a classifier sees in reconstructions.
 *
 * @module
 */
import { resolve } from "@std/path";
import { findNaViT } from "../../models/navit/weights.ts";
import type { PerceptualNetwork } from "../../models/perceptual/loss.ts";
import type { Values } from "../flags/flags.ts";
import type { perceptualFlags } from "./perceptual_flags.ts";

/**
 * The classifier that looks at frames, if there is to be one.
 *
 * @throws InputError when it is not there
 */
export async function perceptualOf(
  { perceptual, perceptualWeight }: Values<ReturnType<typeof perceptualFlags>>,
): Promise<PerceptualNetwork | undefined> {
  if (perceptual === undefined || perceptualWeight === 0) return undefined;
  const { path, manifest } = await findNaViT(perceptual, "ema");
  return { path: resolve(path), config: manifest.config };
}
