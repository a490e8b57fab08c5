/**
 * Flags of a causal tokenizer's configuration, and of the clips that it is counted on.
 *
 * @module
 */
import { overrideCausalTokenizerConfig } from "../../../models/causal_tokenizer/config.ts";
import type { CausalTokenizerConfig } from "../../../models/causal_tokenizer/model.ts";
import { group, optional, type Values } from "../../flags/flags.ts";
import { transformerShape } from "../../flags/options.ts";
import { integer } from "../../flags/parsers.ts";
import type { ModelFields, ModelValues } from "../commands.ts";
import { clipFlags } from "../clip_flags.ts";
import { codecModelFlags } from "../codec_flags.ts";

const size = integer({ min: 1, max: 65536 });

/** Fields that only a causal tokenizer has. */
export const causalTokenizerModelFlags = group("Model:", {
  baseChannels: optional("--base-channels <n>", "width that a level's is a multiple of", size),
  ...codecModelFlags,
});

/** The fields of a causal tokenizer that flags replace. */
export const causalTokenizerFields: ModelFields<CausalTokenizerConfig> = {
  flags: { ...causalTokenizerModelFlags, ...clipFlags },
  without: transformerShape,
  overrides: (_, values) => causalTokenizerOverrides(values),
  override: overrideCausalTokenizerConfig,
};

function causalTokenizerOverrides(values: ModelValues): Partial<CausalTokenizerConfig> {
  const { baseChannels, blocks, latentChannels, groups } = values as Partial<
    Values<typeof causalTokenizerModelFlags>
  >;
  return { baseChannels, blocksPerLevel: blocks, latentChannels, groups };
}
