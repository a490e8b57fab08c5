/**
 * `tessera info clips`: the clips of a folder as training would see them.
 *
 * @module
 */
import type { Command } from "commander";
import { clipDataFlags, clipPathHelp } from "../../flags/clip_data_flags.ts";
import { define, group, optional } from "../../flags/flags.ts";
import { jsonFlags } from "../../flags/options.ts";
import { number } from "../../flags/parsers.ts";
import type { Io } from "../../terminal/io.ts";

/** Builds `tessera info clips`. */
export function clipsCommand(io: Io): Command {
  return define({
    name: "clips",
    summary: "the clips of a folder as training would see them",
    description: "Show what would be trained on of " + clipPathHelp +
      ": frame rate and frames of " +
      "every video, the range that is taken, or why it is left out. Decodes everything that fits " +
      "into memory, so damaged files are found.",
    operands: "<path>",
    flags: {
      ...clipDataFlags,
      ...group("Clips:", {
        holdout: optional(
          "--holdout <share>",
          "show what would be left for training, with this share of the videos held out",
          number({ above: 0, max: 0.99 }),
          "0",
        ),
      }),
      ...jsonFlags,
    },
    examples: [
      ["tessera info clips videos --frames 17 --fps 8 --size 64", "one line a video"],
      ["tessera info clips shipped:motion --preview-data sheet.png", "look at them"],
      [
        "tessera info clips shipped:moving-fashion --preview-data sheet.png",
        "clips with a known answer",
      ],
    ],
    run: async ({ values }, [place]) => {
      const { describeClips, openClipData, previewClips } = await import("../../runs/clip_data.ts");
      const { opened } = await import("../../runs/prepare.ts");
      const { describeClip } = await import("../../../data/clips/clip_report.ts");
      const { holdout } = values;
      const set = await opened(
        io,
        false,
        (events) => openClipData(place, values, { holdout, ...events }),
      );
      try {
        if (values.previewData !== undefined) await previewClips(set, values.previewData);
        const { name, length, frames, width, height, channels, classNames, report } = set;
        const facts = { name, length, frames, width, height, channels, classNames, report };
        io.out(
          values.json
            ? JSON.stringify(facts, null, 2)
            : [...report.map(describeClip), ...describeClips(set)].join("\n"),
        );
      } finally {
        set.close();
      }
    },
  });
}
