/**
 * `tessera convert`: weights from one format into another.
 *
 * @module
 */
import { dirname } from "@std/path";
import type { Command } from "commander";
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import { define, flag, group, optional } from "../flags/flags.ts";
import { choice, number, text } from "../flags/parsers.ts";
import type { Io } from "../terminal/io.ts";
import { formatBytes } from "../terminal/numbers.ts";

/** Builds `tessera convert`. */
export function command(io: Io): Command {
  return define({
    name: "convert",
    summary: "weights from one format into another",
    description:
      "Write the weights of a file (safetensors, also in shards; PyTorch's .pt, .pth, .ckpt, .bin), " +
      "a checkpoint, a run or shipped:NAME into one file. The end of its name says the format: " +
      ".safetensors, .pt, .pth, .ckpt or .bin, or .safetensors.index.json for several files and their index. With " +
      "--layout diffusers it is a folder, with the names and the configuration of diffusers. Of " +
      "PyTorch's files tensors and plain containers are read; no code in them is ever run.",
    operands: "<in> <out>",
    flags: {
      ...group("What is taken:", {
        prefix: optional(
          "--prefix <text>",
          "only tensors whose names start so, without it: --prefix ema.",
          text,
        ),
        weights: flag(
          "--weights <ema|raw>",
          "of a checkpoint or run: averages, or the weights as trained",
          choice("ema", "raw"),
          "ema",
        ),
      }),
      ...group("How it is stored:", {
        dtype: optional(
          "--dtype <f32|f16|bf16>",
          "floating-point numbers; as they are unless told",
          choice("f32", "f16", "bf16"),
        ),
        shardSize: optional(
          "--shard-size <GB>",
          "most of it in one file, in 10^9 bytes, where there are several",
          number({ above: 0 }),
          "5",
        ),
        layout: flag(
          "--layout <own|diffusers>",
          "names and parts of the weights; diffusers makes a folder",
          choice("own", "diffusers"),
          "own",
        ),
        config: optional(
          "--config <file|name>",
          "which model bare weights are of, for --layout diffusers",
          text,
        ),
      }),
    },
    examples: [
      ["tessera convert DiT-XL-2-256x256.pt xl.safetensors --dtype f16", "half the size"],
      ["tessera convert checkpoint.pt ema.safetensors --prefix ema.", "averages of a training run"],
      ["tessera convert xl.pt xl.safetensors.index.json --shard-size 1", "several files"],
      [
        "tessera convert xl.pt transformer --layout diffusers --config DiT-XL/2",
        "then in Python: DiTTransformer2DModel.from_pretrained",
      ],
      ["tessera convert results/000-DiT-XS-4 model.pt", 'then in Python: torch.load("model.pt")'],
    ],
    run: async ({ values }, [asked, to]) => {
      const from = checkpointPlace(asked, "convert");
      if (values.layout === "diffusers") {
        const { convertToDiffusers } = await import("../runs/convert_diffusers.ts");
        return await convertToDiffusers(io, values, from, to);
      }
      const { locateWeights, openCheckpointFile } = await import(
        "../../training/checkpoints/checkpoint.ts"
      );
      const { convertWeights, dtypes } = await import("../../formats/convert.ts");
      const { makeFolder, requireFree } = await import("../../formats/files/folder.ts");
      await requireFree(to);
      const { path, note } = await locateWeights(from, values.weights);
      if (note) io.tell(note);
      using file = await openCheckpointFile(path);
      file.checkContents();
      await makeFolder(dirname(to));
      const type = values.dtype && dtypes[values.dtype];
      const { prefix, shardSize } = values;
      const shardBytes = shardSize && 1e9 * shardSize;
      const { tensors, bytes } = await convertWeights(file, to, { prefix, type, shardBytes });
      io.tell(`${tensors} of ${file.tensors.size} tensors, ${formatBytes(bytes)}`);
      io.out(to);
    },
  });
}
