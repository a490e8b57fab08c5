/**
 * `tessera eval pictures`: pictures against real ones, wherever both come from.
 *
 * @module
 */
import type { Command } from "commander";
import { evalPicturesFlags } from "../features/eval_pictures_flags.ts";
import { define } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera eval pictures`. */
export const evalPicturesCommand = (io: Io): Command =>
  define({
    name: "pictures",
    summary: "how near pictures are to real ones: FID and the like",
    description: "Compare pictures with real ones by features of a network: Frechet distances, " +
      "a classifier's score, precision and recall, kernel distance.\n\n" +
      "Both are a folder, a data set or an npz archive with arr_0; the reference may be a batch of " +
      "ADM's evaluator. With FID's Inception weights these are FID, sFID, Inception Score and KID; " +
      "with a NaViT they are called after it.",
    operands: "<pictures> <reference>",
    flags: evalPicturesFlags,
    examples: [
      [
        "tessera eval pictures samples.npz VIRTUAL_imagenet256_labeled.npz " +
        "--features pt_inception-2015-12-05-6726825d.pth",
        "as the papers do",
      ],
      [
        "tessera eval pictures samples shipped:fashion --features results/000-NaViT-XS-8",
        "a small classifier of your own",
      ],
    ],
    run: async ({ values }, [pictures, reference]) => {
      const { runEvalPictures } = await import("../features/eval_pictures.ts");
      await runEvalPictures(io, values, pictures, reference);
    },
  });
