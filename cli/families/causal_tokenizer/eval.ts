/**
 * `tessera eval tokenizer`: how well a tokenizer brings clips back.
 *
 * @module
 */
import { clipOf } from "../../../models/causal_tokenizer/data.ts";
import { openTokenizer } from "../../../models/causal_tokenizer/source.ts";
import { channelStatistics } from "../../../models/reconstruction/evaluation.ts";
import { openEvaluated, runReconstructions } from "../../runs/reconstructions.ts";
import type { Io } from "../../terminal/io.ts";
import { openCoder } from "./coding.ts";
import type { EvalTokenizerOptions } from "./eval_flags.ts";
import { openRunData, tokenizerOf } from "./run_data.ts";

/** Evaluates a tokenizer. */
export async function runEvalTokenizer(io: Io, values: EvalTokenizerOptions): Promise<void> {
  const source = await tokenizerOf(io, values);
  const evaluated = await openEvaluated(
    values.split,
    (split) => openRunData(io, values, source, split),
  );
  using weights = await openTokenizer(source);
  const { path, config: { latentChannels } } = source;
  const clip = clipOf(evaluated.data);
  await runReconstructions(io, values, evaluated, {
    path,
    open: (device, direction) => openCoder(device, source, weights, { direction, batch: 1, clip }),
    decoded: (latent) => latent,
    measure: (latents) => ({ channels: channelStatistics(latents, latentChannels) }),
    note: "",
  });
}
