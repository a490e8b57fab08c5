/**
 * The clips of a trained tokenizer's run, or others cut as they are, as commands after the training open
 * them.
 *
 * @module
 */
import type { ClipCuts } from "../../../data/clips/cuts.ts";
import type { Split } from "../../../data/sources/idx.ts";
import { checkTokenizerData, type TokenizerData } from "../../../models/causal_tokenizer/data.ts";
import { causalTokenizerFamily } from "../../../models/causal_tokenizer/family.ts";
import { causalTokenizerCodec } from "../../../models/causal_tokenizer/graph.ts";
import type { CausalTokenizerConfig } from "../../../models/causal_tokenizer/model.ts";
import { findTokenizer, type TokenizerSource } from "../../../models/causal_tokenizer/source.ts";
import { checkClipSize, trimmedFrames } from "../../../models/codec.ts";
import type { ClipDataValues } from "../../flags/clip_data_flags.ts";
import { namedConfigOrFile } from "../../flags/model_config.ts";
import { recordedPlace } from "../../flags/run_file.ts";
import { opened, placeOf } from "../../runs/prepare.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import type { Io } from "../../terminal/io.ts";
import { recordedData } from "../recorded_data.ts";
import { isShippedClips, openTokenizerData, shippedMotion } from "./data.ts";
import type { TokenizerDataFlags, TokenizerFlags } from "./source_flags.ts";

/**
 * The tokenizer that flags mean; says so where it is not the one that was asked for.
 *
 * @throws UsageError without one
 */
export async function tokenizerOf(
  io: Io,
  { ckpt, config: given, weights }: TokenizerFlags,
): Promise<TokenizerSource> {
  if (ckpt === undefined) throw new UsageError("--ckpt is needed: a run, checkpoint or weights");
  const config = given === undefined
    ? undefined
    : await namedConfigOrFile(causalTokenizerFamily, given);
  const source = await findTokenizer(ckpt, weights, config);
  if (source.note !== undefined) io.tell(source.note);
  return source;
}

/** What a tokenizer is to work on. */
export interface RunData {
  readonly data: TokenizerData;
  /** Where it is, as manifests keep it. */
  readonly dataPath: string;
  /** How its clips are cut out of videos; absent for pictures. */
  readonly cuts?: ClipCuts;
  /** How samples got their size. */
  readonly crop: ClipCuts["crop"];
}

/**
 * Opens the data of the run, or others.
 *
 * @throws UsageError with the nearest numbers of frames that the tokenizer takes
 * @throws InputError when there is nothing, or the tokenizer does not take it
 */
export async function openRunData(
  io: Io,
  values: TokenizerDataFlags & { readonly quiet: boolean },
  { config, manifest }: TokenizerSource,
  split: Split,
): Promise<RunData> {
  const { clip, cuts: trained, seed } = manifest?.run ?? {};
  const { fps, stride } = values;
  const cuts: ClipCuts = {
    ...(fps ?? stride) === undefined
      ? { fps: trained?.fps, stride: trained?.stride }
      : { fps, stride },
    ...{ hop: values.hop ?? trained?.hop, folderFps: values.folderFps ?? trained?.folderFps },
    crop: values.crop ?? trained?.crop ?? "center",
  };
  const wanted: ClipDataValues = {
    ...{ fps: undefined, stride: undefined, hop: undefined, folderFps: undefined, ...cuts },
    frames: framesOf(values, config, clip?.frames),
    size: values.size ?? clip,
    previewData: undefined,
  };
  const dataPath = values.dataPath ?? manifest?.dataPath;
  const place = placeOf({ shipped: shippedMotion }, dataPath);
  const isClips = isShippedClips(place) || (values.dataPath === undefined && trained !== undefined);
  const opening = opened(
    io,
    values.quiet,
    (events) => openTokenizerData(place, wanted, { isClips, seed, split, ...events }),
  );
  const data = await recordedData(values.dataPath, opening);
  checkTokenizerData(config, data);
  return {
    data,
    dataPath: recordedPlace(dataPath ?? shippedMotion.name),
    cuts: data.frames === undefined ? undefined : cuts,
    crop: cuts.crop,
  };
}

/**
 * Frames of the clips: those asked for, of the run, or the usual ones.
 *
 * @throws UsageError with the nearest numbers that the tokenizer takes, unless they may be trimmed
 */
function framesOf(
  { frames, trim }: TokenizerDataFlags,
  config: CausalTokenizerConfig,
  trained: number | undefined,
): number {
  const grid = causalTokenizerCodec.grid(config);
  const asked = frames ?? trained ?? (config.temporalKernel === 1 ? 1 : 17);
  if (trim) return trimmedFrames(grid, asked);
  const { side } = grid;
  asUsage(() => checkClipSize(grid, { frames: asked, height: side, width: side }, "--frames"));
  return asked;
}
