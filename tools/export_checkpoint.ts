/**
 * Makes the small checkpoint that ships with the project from a training run: the averaged weights
 * in half precision, and the manifest.
 *
 * ```
 * deno run --allow-read --allow-write tools/export_checkpoint.ts RUN models/checkpoints/fashion
 * ```
 *
 * @module
 */
import { join } from "@std/path";
import { writeTextAtomically } from "../formats/files/atomic_file.ts";
import {
  openSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from "../formats/tensors/safetensors.ts";
import { weightsPath } from "../training/runs/checkpoint.ts";
import { readManifest } from "../training/runs/manifest.ts";
import { resolveCheckpoint } from "../training/runs/run_folder.ts";

const [run, target] = Deno.args;
if (run === undefined || target === undefined) {
  console.error("usage: tools/export_checkpoint.ts RUN TARGET");
  Deno.exit(2);
}
const checkpoint = await resolveCheckpoint(run);
const manifest = await readManifest(checkpoint);
using weights = await openSafetensors(weightsPath(checkpoint, "ema"));
const tensors = [...weights.tensors.values()].map(({ name, shape }): TensorToWrite => ({
  name,
  shape,
  type: "F16",
  data: () => weights.readFloat32(name),
}));
await Deno.mkdir(target, { recursive: true });
const bytes = await writeSafetensors(weightsPath(target, "ema"), tensors, { format: "pt" });
await writeTextAtomically(join(target, "state.json"), `${JSON.stringify(manifest, null, 2)}\n`);
console.log(`${target}: step ${manifest.step}, ${tensors.length} tensors, ${bytes} bytes`);
