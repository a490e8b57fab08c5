/**
 * `tessera eval clips`: clips against real ones, wherever both come from.
 *
 * @module
 */
import type { Command } from "commander";
import { evalClipsFlags } from "../features/eval_clips_flags.ts";
import { define } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera eval clips`. */
export const evalClipsCommand = (io: Io): Command =>
  define({
    name: "clips",
    summary: "how near clips are to real ones: FVD and the like",
    description: "Compare clips with real ones by features of a network: Frechet distance, " +
      "precision and recall, kernel distance.\n\n" +
      "Both are a folder of videos or frames, a video, or an npz archive of sample walt. With I3D's " +
      "weights the distance is FVD; with a NaViT, which looks at frames, it is called after it. " +
      "Against shipped:moving-fashion the direction and speed of labelled clips are measured too.",
    operands: "<clips> <reference>",
    flags: evalClipsFlags,
    examples: [
      ["tessera eval clips samples.npz videos --features i3d.safetensors --frames 16", "FVD"],
      [
        "tessera eval clips samples.npz shipped:moving-fashion --frames 17 --size 16",
        "direction and speed, without any network",
      ],
    ],
    run: async ({ values }, [clips, reference]) => {
      const { runEvalClips } = await import("../features/eval_clips.ts");
      await runEvalClips(io, values, clips, reference);
    },
  });
