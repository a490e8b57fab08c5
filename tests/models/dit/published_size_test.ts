/** The largest published model: a file of its names and size is read, and evaluated once, within 4 GiB. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { writePyTorch } from "../../../formats/pytorch/writer.ts";
import { openSafetensors } from "../../../formats/tensors/safetensors.ts";
import { elementCount } from "../../../kernels/shape.ts";
import { ditConfigs, ditParameters } from "../../../models/dit/model.ts";
import { succeed, withFolder } from "../../cli/runs.ts";
import { soaking } from "../../scale.ts";

/** Numbers between -0.05 and 0.05 that do not repeat within a row. */
function madeUp(count: number): Uint8Array {
  const values = new Float32Array(count);
  for (let index = 0; index < count; index++) values[index] = (index * 7919 % 10007) / 1e5 - 0.05;
  return new Uint8Array(values.buffer);
}

Deno.test({
  name: "DiT-XL/2 from a file of PyTorch: info, and a forward pass on wasm",
  ignore: !soaking,
  fn: () =>
    withFolder(async (folder) => {
      const path = join(folder, "DiT-XL-2-256x256.pt");
      const tensors = ditParameters(ditConfigs.get("DiT-XL/2")!).map(({ name, shape }) => ({
        ...{ name, shape, type: "F32" as const },
        bytes: () => madeUp(elementCount(shape)),
      }));
      assert((await writePyTorch(path, tensors)) > 2.6e9);
      assert.match(await succeed("info", path), /292 tensors, 675,129,632 elements, F32/);
      const latents = join(folder, "latents.safetensors");
      await succeed(
        ...["sample", "dit", "--ckpt", path, "--config", "DiT-XL/2", "--device", "wasm", "-q"],
        ...["--classes", "golden retriever", "--cfg-scale", "1", "--save-latents", latents],
        ...["--sampler", "ddim", "--num-sampling-steps", "1"],
      );
      assert(Deno.memoryUsage().rss < 2 ** 32, `${Deno.memoryUsage().rss} bytes`);
      using file = await openSafetensors(latents);
      assert.deepEqual(file.info("latents").shape, [1, 4, 32, 32]);
      assert(file.readFloat32("latents").every(Number.isFinite));
    }),
});
