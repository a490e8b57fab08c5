/**
 * Which family an encoder is of, for commands that several families have.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { autoencoderOf } from "../../models/own_autoencoder.ts";
import { modelConfigs, parseModelConfig } from "../../models/registry.ts";
import { readManifest } from "../../training/checkpoints/manifest.ts";
import { resolveCheckpoint } from "../../training/runs/run_folder.ts";
import { readTextFile } from "../terminal/files.ts";

/**
 * The family of a run, a checkpoint or a configuration, that of its autoencoder where it is a model of latents;
 * undefined where they do not tell, or are no such
 * thing, which the family's command says better.
 *
 * @param config name or file of the configuration of a file of weights
 */
export async function familyOfEncoder(
  ckpt: string,
  config: string | undefined,
): Promise<string | undefined> {
  try {
    if (config !== undefined) return await familyOfConfig(config);
    const manifest = await readManifest(await resolveCheckpoint(ckpt));
    return autoencoderOf(manifest)?.config.family ?? manifest.config.family;
  } catch (error) {
    if (error instanceof InputError || error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function familyOfConfig(config: string): Promise<string> {
  const named = modelConfigs().get(config);
  return named?.family ?? parseModelConfig(await readTextFile(config), config).family;
}
