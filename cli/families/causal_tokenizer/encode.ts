/**
 * `tessera encode tokenizer`: clips or pictures to a cache of latents.
 *
 * @module
 */
import { summarizeClips } from "../../../data/clips/clip_report.ts";
import type { ClipSet } from "../../../data/clips/clip_set.ts";
import type { TensorReader } from "../../../formats/tensors/safetensors.ts";
import { tokenizerLatents } from "../../../models/causal_tokenizer/coding.ts";
import { clipOf, type TokenizerData } from "../../../models/causal_tokenizer/data.ts";
import { openTokenizer, type TokenizerSource } from "../../../models/causal_tokenizer/source.ts";
import { type Encoding, requireOut, runEncode } from "../../runs/encode.ts";
import type { Io } from "../../terminal/io.ts";
import { openCoder } from "./coding.ts";
import type { EncodeTokenizerOptions } from "./encode_flags.ts";
import { openRunData, tokenizerOf } from "./run_data.ts";

/** Encodes clips or pictures. */
export async function runEncodeTokenizer(io: Io, values: EncodeTokenizerOptions): Promise<void> {
  requireOut(values);
  const source = await tokenizerOf(io, values);
  const { data: dataset, dataPath, cuts } = await openRunData(io, values, source, "train");
  using weights = await openTokenizer(source);
  await runEncode(io, values, tokenizerEncoding(source, weights, dataset, { dataPath, cuts }));
}

/** How a tokenizer encodes clips, or pictures, which are not cut. */
export function tokenizerEncoding(
  source: TokenizerSource,
  weights: TensorReader,
  dataset: TokenizerData,
  { dataPath, cuts }: Pick<Encoding, "dataPath" | "cuts">,
): Encoding {
  return {
    ...{ dataset, dataPath, cuts },
    notes: cuts === undefined ? [] : summarize(dataset as ClipSet),
    latents: tokenizerLatents(source, weights, dataset),
    open: (device, batch) =>
      openCoder(device, source, weights, { direction: "encode", batch, clip: clipOf(dataset) }),
  };
}

/** What became of the files of clips; nothing of clips that are made. */
const summarize = ({ name, report }: ClipSet): string[] =>
  report.length === 0 ? [] : summarizeClips(name, report);
