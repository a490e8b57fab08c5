/**
 * `tessera export`: runs and data for others: a small checkpoint, files for TensorBoard, clips.
 *
 * @module
 */
import { Command } from "commander";
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import { define, flag, group, optional } from "../flags/flags.ts";
import { choice, text } from "../flags/parsers.ts";
import { clipsCommand } from "./clips/export_clips.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera export`. */
export function command(io: Io): Command {
  return new Command("export")
    .description(
      "Make a checkpoint to share from a run, files for TensorBoard from its metrics, or clips of " +
        "videos.",
    )
    .usage(
      "[checkpoint] RUN --out FOLDER | tensorboard RUN... [--out FOLDER] | clips PATH --out FOLDER",
    )
    .addCommand(checkpointCommand(io), { isDefault: true })
    .addCommand(tensorboardCommand(io))
    .addCommand(clipsCommand(io));
}

function checkpointCommand(io: Io): Command {
  return define({
    name: "checkpoint",
    summary: "the averaged weights of a run, half the size, without the optimizer",
    description:
      "Write the averaged weights of a run's newest checkpoint, of a checkpoint or of shipped:NAME, and " +
      "its manifest, into a folder that sample, eval, info and --init-from take like a checkpoint. A model of latents " +
      "has its autoencoder with it.",
    // The second operand is how the folder was given before there was --out.
    operands: "<run> [out]",
    flags: {
      ...group("Weights:", {
        dtype: flag(
          "--dtype <f16|f32>",
          "how they are stored; f16 takes half the room",
          choice("f16", "f32"),
          "f16",
        ),
      }),
      ...group("Output:", { out: optional("--out <folder>", "where to; a new folder", text) }),
    },
    examples: [
      [
        "tessera export results/000-DiT-XS-4 --out my-model",
        "then: tessera sample dit --ckpt my-model",
      ],
    ],
    run: async ({ values }, [run, operand]) => {
      const out = values.out ?? operand;
      if (out === undefined) throw new UsageError("--out is needed: a new folder");
      const place = checkpointPlace(run, "export");
      const { exportModel } = await import("../../models/exported.ts");
      const warn = (line: string) => io.tell(`note: ${line}`);
      const { step, tensors, bytes } = await exportModel(place, out, values.dtype, warn);
      io.tell(`step ${step}, ${tensors} tensors, ${bytes} bytes`);
      io.out(out);
    },
  });
}

function tensorboardCommand(io: Io): Command {
  return define({
    name: "tensorboard",
    summary: "everything that runs have measured, as event files",
    operands: "<run...>",
    flags: group("Output:", {
      out: flag(
        "--out <folder>",
        "log directory for TensorBoard; gets one folder a run",
        text,
        "tensorboard",
      ),
    }),
    examples: [
      ["tessera export tensorboard results/0*", "then: tensorboard --logdir tensorboard"],
    ],
    run: async ({ values }, runs) => {
      const { exportEvents } = await import("../../training/checkpoints/export.ts");
      const warn = (line: string) => io.tell(`warning: ${line}`);
      const places = runs.map((run) => checkpointPlace(run, "export tensorboard"));
      for (const path of await exportEvents(places, values.out, warn)) io.out(path);
    },
  });
}
