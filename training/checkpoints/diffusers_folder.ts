/**
 * Folders in which diffusers keeps a network: `config.json` and the weights beside it.
 *
 * @module
 */
import { join } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { readRegularText } from "../../formats/files/regular_file.ts";
import { parseJsonConfig } from "../../nn/config.ts";

/** Names of the files. */
const published = { config: "config.json", weights: "diffusion_pytorch_model" } as const;

/** Whether a folder is one of diffusers. */
export const isOfDiffusers = async (folder: string): Promise<boolean> =>
  await diffusersConfig(folder, () => true) ?? false;

/**
 * The configuration in a folder of diffusers; undefined when it is none.
 *
 * @param check makes the model's configuration of the JSON
 */
export async function diffusersConfig<Config>(
  folder: string,
  check: (value: unknown, where: string) => Config,
): Promise<Config | undefined> {
  const path = join(folder, published.config);
  const text = await readRegularText(path).catch(() => "");
  if (!text.includes("_class_name")) return undefined;
  return check(parseJsonConfig(text, path), path);
}

/**
 * The weights in a folder of diffusers: one file, or several with an index, or PyTorch's.
 *
 * @throws InputError when there are none
 */
export async function diffusersWeights(folder: string): Promise<string> {
  for (const ending of [".safetensors", ".safetensors.index.json", ".bin"]) {
    const path = join(folder, published.weights + ending);
    if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
  }
  throw new InputError(
    `${folder}: has ${published.config}, but no ${published.weights}.safetensors`,
  );
}
