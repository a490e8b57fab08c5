/**
 * Flags of the configuration of W.A.L.T's denoiser.
 *
 * @module
 */
import { overrideWaltConfig } from "../../../models/walt/config.ts";
import type { WaltConfig } from "../../../models/walt/model.ts";
import { group, optional, type Values } from "../../flags/flags.ts";
import { integer, list, type Parser } from "../../flags/parsers.ts";
import { UsageError } from "../../terminal/errors.ts";
import type { ModelFields, ModelValues } from "../commands.ts";

const size = integer({ min: 1, max: 65536 });

/** `count` numbers between commas. */
const sizes = (count: number): Parser<readonly number[]> => (text, flag) => {
  const values = list(size)(text, flag);
  if (values.length === count) return values;
  throw new UsageError(`${flag} ${text}: it takes ${count} numbers between commas`);
};

/** A value, or a word for there being none. */
const orWord = <T, W extends string>(word: W, parse: Parser<T>): Parser<T | W> => (text, flag) =>
  text === word ? word : parse(text, flag);

/** Fields that only W.A.L.T's denoisers have. */
export const waltModelFlags = group("Model:", {
  latentFrames: optional("--latent-frames <n>", "latent frames of a clip", size),
  latentSize: optional("--latent-size <h,w>", "height and width of a latent frame", sizes(2)),
  adalnRank: optional(
    "--adaln-rank <r|full>",
    "rank of a layer's own modulation; full: nothing is shared",
    orWord("full", size),
  ),
  spatialWindow: optional(
    "--spatial-window <h,w|none>",
    "windows of even layers, in patches; none: all are spatio-temporal",
    orWord("none", sizes(2)),
  ),
  spatioTemporalWindow: optional(
    "--spatio-temporal-window <f,h,w|none>",
    "windows of odd layers; none: all are spatial",
    orWord("none", sizes(3)),
  ),
});

/** The fields of a denoiser that flags replace; `--channels` are those of the latent. */
export const waltFields: ModelFields<WaltConfig> = {
  flags: waltModelFlags,
  without: ["imageSize"],
  overrides: (_, values) => waltOverrides(values),
  override: overrideWaltConfig,
};

function waltOverrides(values: ModelValues): Partial<WaltConfig> {
  const { channels, numClasses, patch, hidden, depth, heads } = values;
  const own = values as Partial<Values<typeof waltModelFlags>>;
  const fields = {
    latentChannels: channels,
    classes: numClasses,
    patch,
    hidden,
    depth,
    heads,
    latentFrames: own.latentFrames,
    latentSize: own.latentSize,
    adaLNRank: own.adalnRank === "full" ? null : own.adalnRank,
    spatialWindow: own.spatialWindow === "none" ? null : own.spatialWindow,
    spatioTemporalWindow: own.spatioTemporalWindow === "none" ? null : own.spatioTemporalWindow,
  };
  // Their lengths are those of the parsers.
  return fields as Partial<WaltConfig>;
}
