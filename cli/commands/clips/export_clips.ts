/**
 * `tessera export clips`: clips cut out of videos, as files.
 *
 * @module
 */
import type { Command } from "commander";
import { dirname } from "@std/path";
import { clipFormats } from "../../../formats/video/clip_files.ts";
import { clipDataFlags, clipPathHelp } from "../../flags/clip_data_flags.ts";
import { define, flag, group, optional } from "../../flags/flags.ts";
import { progressFlags } from "../../flags/options.ts";
import { choice, integer, text } from "../../flags/parsers.ts";
import { UsageError } from "../../terminal/errors.ts";
import type { Io } from "../../terminal/io.ts";

/** Builds `tessera export clips`. */
export function clipsCommand(io: Io): Command {
  return define({
    name: "clips",
    summary: "clips cut out of videos, one file each",
    description: "Write what would be trained on of " + clipPathHelp +
      ": a smaller set that needs " +
      "no ffmpeg, in class folders with captions, each file with where it comes from.",
    operands: "<path>",
    flags: {
      ...clipDataFlags,
      ...group("Output:", {
        out: optional(
          "--out <folder>",
          "where to; a new folder, or a new file .npz for all clips in one array",
          text,
        ),
        format: flag(
          `--format <${clipFormats.join("|")}>`,
          "video, animated picture with every pixel as it is, or a folder of pictures each",
          choice(...clipFormats),
          "webp",
        ),
        quality: optional(
          "--quality <n>",
          "how near MP4 and WebP are to the original, up to 100",
          integer({ min: 1, max: 100 }),
          "90 for MP4, WebP without loss",
        ),
      }),
      ...progressFlags,
    },
    examples: [
      ["tessera export clips videos --fps 8 --size 64 --out small", "a small copy of a set"],
      ["tessera export clips shipped:motion --out motion --format mp4", "to look at in any player"],
    ],
    run: async ({ values, given }, [place]) => {
      const { out, format, quality, quiet } = values;
      if (out === undefined) throw new UsageError("--out is needed: a new folder, or a file .npz");
      const isArchive = /\.npz$/i.test(out);
      if (isArchive && (given.has("format") || given.has("quality"))) {
        throw new UsageError(`--out ${out}: an array has no --format, and no --quality`);
      }
      if (format === "png" && given.has("quality")) {
        throw new UsageError("--quality is for MP4 and WebP");
      }
      const { openClipData, describeClips, previewClips } = await import("../../runs/clip_data.ts");
      const { opened } = await import("../../runs/prepare.ts");
      const { clipListOf, exportClips, exportClipsNpz } = await import(
        "../../../data/clips/export_clips.ts"
      );
      const { makeFolder, requireFree, requireOutside } = await import(
        "../../../formats/files/folder.ts"
      );
      const { writeFolderAtomically } = await import("../../../formats/files/atomic_file.ts");
      const { Progress } = await import("../../terminal/progress.ts");
      for (const path of isArchive ? [out, clipListOf(out)] : [out]) await requireFree(path);
      await requireOutside(out, place);
      await makeFolder(dirname(out));
      const set = await opened(
        io,
        quiet,
        (events) => openClipData(place, values, { captions: true, ...events }),
      );
      try {
        describeClips(set).forEach((line) => io.tell(line));
        if (values.previewData !== undefined) await previewClips(set, values.previewData);
        const progress = new Progress<never>(io, {
          ...{ noun: "clip", total: set.length, columns: {}, quiet, interval: 5 },
        });
        const watch = (done: number) => progress.update(done);
        if (isArchive) await exportClipsNpz(set, out, watch);
        else {
          await writeFolderAtomically(
            out,
            (folder) => exportClips(set, folder, { format, quality, watch }),
          );
        }
        io.draw("");
        io.out(out);
      } finally {
        set.close();
      }
    },
  });
}
