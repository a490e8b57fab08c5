/**
 * The configuration of a DiT as diffusers writes it.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { DiTConfig } from "./model.ts";

/**
 * The fields of `config.json` of diffusers (`DiTTransformer2DModel`).
 *
 * @param where what the message starts with
 * @throws InputError for a design of the paper that diffusers does not have
 */
export function diffusersFields(
  config: DiTConfig,
  where: string,
): Readonly<Record<string, unknown>> {
  const { inputSize, patch, channels, hidden, depth, heads, classes, learnSigma, conditioning } =
    config;
  if (conditioning !== "adaLN-Zero") {
    throw new InputError(`${where}: diffusers has adaLN-Zero only, the model is ${conditioning}`);
  }
  return {
    _class_name: "DiTTransformer2DModel",
    activation_fn: "gelu-approximate",
    attention_bias: true,
    attention_head_dim: hidden / heads,
    dropout: 0,
    in_channels: channels,
    norm_elementwise_affine: false,
    // The paper's; published files say 1e-5, which diffusers takes for one norm of a block.
    norm_eps: 1e-6,
    norm_num_groups: 32,
    norm_type: "ada_norm_zero",
    num_attention_heads: heads,
    num_embeds_ada_norm: classes,
    num_layers: depth,
    out_channels: learnSigma ? 2 * channels : channels,
    patch_size: patch,
    sample_size: inputSize,
    upcast_attention: false,
  };
}
