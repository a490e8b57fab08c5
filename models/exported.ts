/**
 * Checkpoints for others: a diffusion model of latents has its autoencoder with it.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import type { LatentAutoencoder } from "../data/latents/cache.ts";
import type { WeightType } from "../nn/parameters.ts";
import { exportCheckpoint, type ExportedCheckpoint } from "../training/checkpoints/export.ts";
import { manifestFile } from "../training/checkpoints/manifest.ts";
import { exists } from "../training/runs/run_folder.ts";
import { autoencoderKLFamily } from "./autoencoder_kl/family.ts";
import { findAutoencoderKL, readAutoencoderKL } from "./autoencoder_kl/source.ts";
import { tokenizerHash } from "./causal_tokenizer/coding.ts";
import { causalTokenizerFamily } from "./causal_tokenizer/family.ts";
import { findTokenizer, openTokenizer } from "./causal_tokenizer/source.ts";
import { type LatentRun, mapAutoencoders, withOwnAutoencoder } from "./own_autoencoder.ts";

/** Identifies the encoder of a checkpoint, by its family. */
const encoderHashes: Readonly<Record<string, (checkpoint: string) => Promise<string>>> = {
  async [autoencoderKLFamily.name](checkpoint) {
    return (await readAutoencoderKL(await findAutoencoderKL(checkpoint, "ema"))).hash;
  },
  async [causalTokenizerFamily.name](checkpoint) {
    const source = await findTokenizer(checkpoint, "ema", undefined);
    using weights = await openTokenizer(source);
    return tokenizerHash(source.config, weights);
  },
};

/** Name of the folder of the autoencoder. */
const ownFolder = "autoencoder";

/**
 * Writes a folder with the averaged weights of a checkpoint, its manifest, and the autoencoder of its latents
 * where that is a checkpoint of this tool.
 *
 * @param warn gets a line about an autoencoder that stays where it is
 * @throws InputError as {@link exportCheckpoint} does, also for the autoencoder
 */
export async function exportModel(
  run: string,
  target: string,
  dtype: WeightType,
  warn: (line: string) => void,
): Promise<ExportedCheckpoint> {
  return await exportCheckpoint(run, target, dtype, async ({ checkpoint, folder, manifest }) => {
    const { latents } = withOwnAutoencoder(checkpoint, manifest).run as LatentRun;
    if (!latents) return manifest;
    const { path, config, hash } = latents.autoencoder;
    const source = await exists(join(path, manifestFile)) ? path : dirname(path);
    if (!await exists(join(source, manifestFile))) {
      warn(`${path}: the autoencoder is no checkpoint of this tool and stays where it is`);
      return manifest;
    }
    const own = join(folder, ownFolder);
    await exportCheckpoint(source, own, dtype);
    const exported = { config, path: ownFolder, hash: await encoderHashes[config.family](own) };
    const change = (each: LatentAutoencoder) => each.hash === hash ? exported : each;
    return { ...manifest, run: mapAutoencoders(manifest.run, change) };
  });
}
