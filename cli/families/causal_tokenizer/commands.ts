/**
 * Causal tokenizers on the command line.
 *
 * @module
 */
import type { CausalTokenizerConfig } from "../../../models/causal_tokenizer/model.ts";
import type { FamilyCommands } from "../commands.ts";
import { causalTokenizerFields } from "./model_flags.ts";

/** The commands of causal tokenizers. */
export const causalTokenizerCommands: FamilyCommands<CausalTokenizerConfig> = {
  name: "causal-tokenizer",
  word: "tokenizer",
  title: "causal tokenizer",
  fields: causalTokenizerFields,
  verify: {
    summary: "a causal tokenizer: both halves and their gradients",
    contents: "input.video, output.latent, input.latent, output.video; and cotangent.latent, " +
      "cotangent.video",
    hint: "clips to latents and latents to clips",
  },
};
