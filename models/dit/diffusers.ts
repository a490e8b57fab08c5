/**
 * Where diffusers keeps the parameters of a DiT (`DiTTransformer2DModel`).
 *
 * The network is that of the paper, whose weights these are. diffusers' own differs in two places: the
 * frequencies of its time steps end at 1/10000 itself, and one norm of a block has an epsilon of 1e-5.
 *
 * @module
 */
import type { OtherPlaces, ParameterSpecification } from "../../nn/parameters.ts";

/** Where diffusers has the maps of a block, by our names. */
const ofBlock: Readonly<Record<string, readonly string[]>> = {
  "attn.qkv": ["attn1.to_q", "attn1.to_k", "attn1.to_v"],
  "attn.proj": ["attn1.to_out.0"],
  "mlp.fc1": ["ff.net.0.proj"],
  "mlp.fc2": ["ff.net.2"],
  "adaLN_modulation.1": ["norm1.linear"],
};

/** Where it has the embeddings, of which every block has a copy. */
const embeddings: Readonly<Record<string, string>> = {
  "t_embedder.mlp.0": "norm1.emb.timestep_embedder.linear_1",
  "t_embedder.mlp.2": "norm1.emb.timestep_embedder.linear_2",
  "y_embedder.embedding_table": "norm1.emb.class_embedder.embedding_table",
};

/** Where it has the rest. */
const others: Readonly<Record<string, string>> = {
  "x_embedder.proj": "pos_embed.proj",
  "final_layer.adaLN_modulation.1": "proj_out_1",
  "final_layer.linear": "proj_out_2",
};

function placesOf(name: string, depth: number): OtherPlaces {
  if (name === "pos_embed") return { parts: ["pos_embed.pos_embed"] };
  const [, map, kind] = /^(.*)\.(weight|bias)$/.exec(name)!;
  const block = /^blocks\.(\d+)\.(.*)$/.exec(map);
  if (block) {
    const [, index, inBlock] = block;
    return { parts: ofBlock[inBlock].map((part) => `transformer_blocks.${index}.${part}.${kind}`) };
  }
  if (!Object.hasOwn(embeddings, map)) return { parts: [`${others[map]}.${kind}`] };
  const [first, ...copies] = Array.from(
    { length: depth },
    (_, index) => `transformer_blocks.${index}.${embeddings[map]}.${kind}`,
  );
  return { parts: [first], copies };
}

/** Parameters of a DiT with their places in files of diffusers. */
export function withDiffusersPlaces(
  parameters: readonly ParameterSpecification[],
  depth: number,
): ParameterSpecification[] {
  return parameters.map((parameter) => ({
    ...parameter,
    elsewhere: placesOf(parameter.name, depth),
  }));
}
