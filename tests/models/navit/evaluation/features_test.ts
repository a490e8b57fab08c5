/** Features of a NaViT: those of its evaluations, for pictures of any size, in any order. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { openPictureSet } from "../../../../data/open.ts";
import { openDevice } from "../../../../kernels/devices.ts";
import { NaViTExtractor } from "../../../../models/navit/evaluation/features.ts";
import { runNaViT } from "../../../../models/navit/evaluation/evaluate.ts";
import { findNaViT, loadNaViT } from "../../../../models/navit/weights.ts";
import { trainNaViT, writeMixedPictures } from "../../../cli/navit_runs.ts";
import { onWasm, withFolder } from "../../../cli/runs.ts";
import { assertClose } from "../../../golden.ts";

Deno.test("features are what an evaluation at the pictures' own sizes puts out", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "data"), 3);
    const run = await trainNaViT(join(folder, "results"), data, "--steps", "2", ...onWasm);
    const source = await findNaViT(run, "ema");
    const { config, run: { length } } = source.manifest;
    const pictures = await openPictureSet(data, {});
    const device = await openDevice("wasm", { threads: 1 });
    using extractor = await NaViTExtractor.create(device, source, 9);
    const bitmaps = await Promise.all(
      Array.from({ length: pictures.length }, (_, index) => pictures.decode(index)),
    );
    const found = await extractor.extract(bitmaps);
    const parameters = await loadNaViT(device, config, source.path);
    const setting = { kind: "native", tokens: length } as const;
    for (const [ours, name] of [["pooled", "vectors"], ["logits", "logits"]] as const) {
      const { values } = await runNaViT(
        ...[{ device, config, parameters }, pictures, setting, name] as const,
        { sequences: 2, length, timed: false },
      );
      assertClose(ours, found[ours]!.values as Float32Array, values, 1e-5);
    }
    assert.deepEqual([found.pooled.rows, found.pooled.columns], [pictures.length, config.hidden]);
    const again = await extractor.extract([bitmaps[4]]);
    const columns = config.hidden;
    const one = found.pooled.values.subarray(4 * columns, 5 * columns) as Float32Array;
    assertClose("alone", again.pooled.values as Float32Array, one, 1e-6);
    assert.match(extractor.description.hash, /^[0-9a-f]{64}$/);
    assert.equal(extractor.description.standard, undefined);
    device.close();
  });
});
