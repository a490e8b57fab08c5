/** The Inception network against PyTorch, and files that are no weights of it. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import type { Bitmap } from "../../../formats/pictures/bitmap.ts";
import { openSafetensors, writeSafetensors } from "../../../formats/tensors/safetensors.ts";
import { InceptionExtractor } from "../../../models/inception/extractor.ts";
import { inceptionSide } from "../../../models/inception/model.ts";
import { writeResized } from "../../../models/inception/resize.ts";
import { readInception } from "../../../models/inception/weights.ts";
import { deviceChoices, eachDevice } from "../../devices.ts";
import { assertInputError, withFolder } from "../../formats/helpers.ts";
import { assertClose, loadGolden } from "../../golden.ts";
import { soaking } from "../../scale.ts";

const fixture = "tests/fixtures/inception.safetensors";

/** The pictures of `make_inception.py`. */
function pictures(): Bitmap[] {
  const [height, width, channels] = [20, 31, 3];
  const length = height * width * channels;
  return [0, 1].map((picture) => ({
    ...{ height, width, channels },
    data: Uint8Array.from({ length }, (_, place) => {
      const index = picture * length + place;
      return index * 37 % 251 + Math.floor(index / 93) % 5;
    }),
  }));
}

Deno.test("pictures are resized as in the graph of FID", async () => {
  const golden = await loadGolden("inception.outputs");
  const resized = new Float32Array(2 * inceptionSide ** 2 * 3);
  pictures().forEach((picture, index) =>
    writeResized(picture, resized, index * inceptionSide ** 2 * 3)
  );
  const every = 37;
  const shown = golden.shapes.get("resized")![1];
  const found = Float32Array.from({ length: 2 * shown * shown * 3 }, (_, index) => {
    const [channel, place] = [index % 3, Math.floor(index / 3)];
    const [x, y] = [place % shown * every, Math.floor(place / shown) % shown * every];
    const picture = Math.floor(place / shown ** 2);
    return resized[((picture * inceptionSide + y) * inceptionSide + x) * 3 + channel];
  });
  assertClose("resized", found, golden.floats("resized"), 1e-6);
  const grey = { height: 1, width: 1, channels: 1, data: Uint8Array.of(192) };
  writeResized(grey, resized, 0);
  assert(resized.subarray(0, inceptionSide ** 2 * 3).every((value) => value === 0.5));
});

/** Its hundred kernels take a software adapter long to compile. */
const choices = deviceChoices.filter(({ name }) => soaking || name.startsWith("wasm, 2 threads"));

eachDevice("features and logits are those of PyTorch", async (device) => {
  const golden = await loadGolden("inception.outputs");
  using extractor = await InceptionExtractor.create(device, await readInception(fixture), 3);
  const found = await extractor.extract(pictures());
  for (const name of ["pooled", "spatial", "logits"] as const) {
    assert.equal(found[name]!.rows, 2);
    assertClose(name, found[name]!.values as Float32Array, golden.floats(name), 2e-5);
  }
  assert.match(extractor.description.resize, /299 x 299/);
}, choices);

Deno.test("the hash is that of the weights, not of the file", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "same.safetensors");
    await rewrite(path, (name) => name);
    const [one, other] = [await readInception(fixture), await readInception(path)];
    assert.equal(one.hash, other.hash);
    assert.match(one.hash, /^[0-9a-f]{64}$/);
  });
});

Deno.test("files that are no weights of the network are refused by name", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "other.safetensors");
    const refused = async (rename: (name: string) => string | undefined, message: RegExp) => {
      await rewrite(path, rename);
      await assertInputError(readInception(path), path, message);
    };
    const without = (missing: string) => (name: string) => name === missing ? undefined : name;
    await refused(
      without("Mixed_6d.branch1x1.bn.running_var"),
      /Mixed_6d.branch1x1.bn.running_var/,
    );
    await refused(without("fc.weight"), /the tensor fc.weight \(any, 128\) is missing/);
    const swapped: Record<string, string> = {
      "Mixed_5b.branch1x1.conv.weight": "Mixed_5b.branch_pool.conv.weight",
      "Mixed_5b.branch_pool.conv.weight": "Mixed_5b.branch5x5_2.conv.weight",
      "Mixed_5b.branch5x5_2.conv.weight": "Mixed_5b.branch1x1.conv.weight",
    };
    await refused(
      (name) => swapped[name] ?? name,
      /Mixed_5b.branch1x1.conv.weight has the shape \(4, 3, 5, 5\), not \(any, 12, 1, 1\)/,
    );
    await refused((name) => name === "fc.bias" ? "fc.other" : name, /no tensor fc.other/);
  });
});

/** Writes the tensors of the fixture in single precision, those that get a name. */
async function rewrite(path: string, rename: (name: string) => string | undefined): Promise<void> {
  using file = await openSafetensors(fixture);
  const tensors = [...file.tensors.values()].reverse().flatMap(({ name, shape, type }) => {
    const renamed = rename(name);
    if (renamed === undefined) return [];
    const stored = type === "I64" ? "I32" : "F32";
    const data = type === "I64" ? file.readInt32(name) : file.readFloat32(name);
    return [{ name: renamed, type: stored, shape, data } as const];
  });
  await writeSafetensors(path, tensors);
}
