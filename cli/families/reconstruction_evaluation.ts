/**
 * Evaluations of codecs while they are trained.
 *
 * @module
 */
import { MissingPartError } from "../../data/open.ts";
import type { Program } from "../../kernels/program.ts";
import type { FamilyConfig } from "../../nn/config.ts";
import type { CommonSettings } from "../../training/checkpoints/settings.ts";
import type { Description } from "../../training/checkpoints/manifest.ts";
import { evalEveryFlag } from "../flags/train_flags.ts";
import { mostEvaluated } from "../../models/reconstruction/evaluator.ts";
import type { OpeningEvents, TrainingCommand, TrainingData, TrainValues } from "./training.ts";

/** The flag, with what samples are called. */
export const reconstructionEvalFlag = evalEveryFlag(
  "measure PSNR and SSIM of reconstructions by the averaged weights, on the test part where there is " +
    `one: at most ${mostEvaluated(undefined)} pictures or ${mostEvaluated(1)} clips`,
);

/**
 * How codecs are evaluated during a run: on the test part, or where there is none on what they are trained
 * on, which is said.
 *
 * @param openTest opens the test part of the data of a run
 * @param program what makes reconstructions
 */
export function reconstructionEvaluation<
  V extends TrainValues & { readonly evalEvery: number | undefined },
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
>(
  openTest: (
    place: string,
    run: Description<Config, Settings>,
    events: OpeningEvents,
  ) => Promise<Data>,
  program: (config: Config, settings: Settings) => Program,
): NonNullable<TrainingCommand<V, Config, Settings, Data>["evaluation"]> {
  return {
    schedule({ evalEvery }, _, before) {
      const every = evalEvery ?? before?.every ?? 0;
      return every === 0 ? undefined : { every };
    },
    async open(place, run, events) {
      try {
        return await openTest(place, run, events);
      } catch (error) {
        if (!(error instanceof MissingPartError)) throw error;
        events.warn?.(`${error.message}: evaluations are on what the run is trained on`);
        return undefined;
      }
    },
    describe: ({ evalPsnr, evalSsim, evalSamples }) =>
      `psnr ${evalPsnr.toFixed(2)} dB, ssim ${evalSsim.toFixed(3)} on ${evalSamples} samples`,
    programs: (config, settings) => [program(config, settings)],
  };
}
