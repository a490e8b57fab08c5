/**
 * Tokenizers at work for commands, with a line about how.
 *
 * @module
 */
import type { TensorReader } from "../../../formats/tensors/safetensors.ts";
import type { Device } from "../../../kernels/device.ts";
import { openTokenizerCoder } from "../../../models/causal_tokenizer/coding.ts";
import type { TokenizerSource } from "../../../models/causal_tokenizer/source.ts";
import type { CodingPlan, CodingRequest } from "../../../models/coder.ts";
import type { OpenCoder } from "../../runs/encode.ts";
import { formatBytes } from "../../terminal/numbers.ts";

/** How clips are divided, in words. */
function describePlan({ batch, chunks, tile }: CodingPlan): string {
  const tiles = tile ? [`tiles of ${tile.height} x ${tile.width} latent positions, blended`] : [];
  const parts = chunks.length === 1 ? [] : [`chunks of ${chunks.join(", ")} latent frames`];
  const all = [...tiles, ...parts];
  const way = all.length === 0 ? "in one piece" : `in ${all.join(", in ")}`;
  return `${way}, ${batch} at a time`;
}

/**
 * Takes one direction into the memory that a device has left.
 *
 * @throws InputError when not even the smallest parts of a clip fit
 */
export async function openCoder(
  device: Device,
  { config, path }: TokenizerSource,
  weights: TensorReader,
  request: CodingRequest,
): Promise<OpenCoder> {
  const { coder, plan, bytes } = await openTokenizerCoder(device, config, weights, request);
  return {
    ...{ path, batch: plan.batch },
    note: `${request.direction}: ${describePlan(plan)}; ${formatBytes(bytes)} of memory`,
    run: (from, progress) => coder.run(from, progress),
    [Symbol.dispose]: () => coder[Symbol.dispose](),
  };
}
