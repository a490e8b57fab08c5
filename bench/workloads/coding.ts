/**
 * One half of an autoencoder at work on a made-up clip, divided as `tessera encode` divides it.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { ripple } from "../../base/ripple.ts";
import type { Device } from "../../kernels/device.ts";
import { elementCount } from "../../kernels/shape.ts";
import { type ClipSize, latentSize, positions } from "../../models/codec.ts";
import { colours } from "../../models/causal_tokenizer/model.ts";
import { type Codec, Coder, type Direction, planCoding } from "../../models/coder.ts";
import { familyOf } from "../../models/registry.ts";
import type { FamilyConfig } from "../../nn/config.ts";

/**
 * Loads a half with weights of its own.
 *
 * @param clip in pixels; a picture is one frame
 * @returns codes the clip once, with the copies there and back
 * @throws InputError for a model without latents, and for a clip that it does not take
 */
export async function loadCoding(
  device: Device,
  direction: Direction,
  config: FamilyConfig,
  clip: ClipSize,
): Promise<() => Promise<void>> {
  const codec = codecOf(config);
  const grid = codec.face.grid(config);
  const request = { direction, batch: 1, clip };
  const target = { kind: device.kind, threads: 0, taken: device.allocatedBytes };
  const plan = await planCoding(codec, request, target);
  const sizes = new Map(codec.specifications.map(({ name, shape }) => [name, elementCount(shape)]));
  const weights = (name: string) => ripple(sizes.get(name)!, 1, 0.05);
  const coder = Coder.create(device, codec, { ...request, ...plan }, weights);
  const elements = direction === "encode"
    ? colours * positions(clip)
    : grid.channels * positions(latentSize(grid, clip));
  const from = ripple(elements, 2);
  return async () => void await coder.run(from);
}

function codecOf(config: FamilyConfig): Codec {
  const { codec: face, parameters, title } = familyOf(config);
  if (face) return { face, config, specifications: parameters(config) };
  throw new InputError(`a ${title} has no latents`);
}
