/**
 * `tessera sample`: pictures from a trained model.
 *
 * @module
 */
import { Command } from "commander";
import { checkSampleOptions, sampleDitFlags } from "../families/dit/sample_flags.ts";
import { define } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera sample`. */
export function command(io: Io): Command {
  return new Command("sample")
    .description("Draw pictures from a trained model.")
    .addCommand(define({
      name: "dit",
      summary: "draw pictures with a diffusion transformer",
      description: "Draw pictures with a diffusion transformer.\n\n" +
        "Without flags it draws one picture of each of the first ten classes from the checkpoint that comes with the tool. " +
        "Picture i depends on the seed and i only, not on the batch size.",
      flags: sampleDitFlags,
      examples: [
        ["tessera sample dit", "one picture of each of ten classes, shipped checkpoint"],
        ["tessera sample dit --ckpt results/000-DiT-XS-4 --seed 7", "from a run of yours"],
        ["tessera sample dit --classes sneaker,bag --count 8", "two classes in turn"],
        ["tessera sample dit --sampler dpm++ --num-sampling-steps 20", "fast"],
        [
          "tessera sample dit --npz samples.npz --count 50_000",
          "for an evaluation: all classes in turn",
        ],
      ],
      run: async (parsed) => {
        checkSampleOptions(parsed);
        const { runSampleDit } = await import("../families/dit/sample.ts");
        await runSampleDit(io, parsed);
      },
    }));
}
