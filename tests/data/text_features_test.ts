/** Features of captions: found by name, and files that are something else. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { namesMetadata } from "../../data/sample_names.ts";
import { openTextFeatures } from "../../data/text_features.ts";
import { type TensorToWrite, writeSafetensors } from "../../formats/tensors/safetensors.ts";
import { withFolder } from "../cli/runs.ts";

const text: TensorToWrite = {
  name: "text",
  type: "F32",
  shape: [3, 2, 4],
  data: Float32Array.from({ length: 24 }, (_, index) => index / 2),
};
const textMask: TensorToWrite = {
  name: "textMask",
  type: "I32",
  shape: [3, 2],
  data: Int32Array.of(1, 1, 1, 0, 0, 0),
};
const names = ["cats/1.mp4", "a dog", "nothing"];

async function refused(
  folder: string,
  tensors: readonly TensorToWrite[],
  metadata: Record<string, string>,
): Promise<string> {
  const path = join(folder, "damaged.safetensors");
  await writeSafetensors(path, tensors, metadata);
  let message = "";
  await assert.rejects(openTextFeatures(path), (error) => {
    assert(error instanceof InputError);
    message = error.message;
    return true;
  });
  assert(!message.includes("\n"), message);
  return message;
}

Deno.test("features are found by name, and read with their mask", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "captions.safetensors");
    await writeSafetensors(path, [text, textMask], namesMetadata(names));
    using features = await openTextFeatures(path);
    assert.deepEqual([features.names, features.words, features.width], [names, 2, 4]);
    const [row, mask] = [new Float32Array(8), new Int32Array(2)];
    features.read(features.rowOf("a dog"), row, mask);
    assert.deepEqual([...row], [4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5]);
    assert.deepEqual([...mask], [1, 0]);
    assert.throws(() => features.rowOf("a dogg"), /no text of "a dogg"; the nearest are "a dog"/);
    const other = join(folder, "other.safetensors");
    await writeSafetensors(other, [text, textMask], namesMetadata(["x", "y", "z"]));
    using renamed = await openTextFeatures(other);
    assert.notEqual(renamed.fingerprint, features.fingerprint);
  });
});

Deno.test("files of features that do not fit are refused in one line", async () => {
  await withFolder(async (folder) => {
    const named = namesMetadata(names);
    const infinite = {
      ...text,
      data: Float32Array.from({ length: 24 }, (_, i) => i === 9 ? NaN : i),
    };
    const cases: [readonly TensorToWrite[], Record<string, string>, RegExp][] = [
      [[text], named, /no tensor "textMask"/],
      [
        [{ ...text, shape: [6, 4] }, textMask],
        named,
        /text has the shape \(6, 4\), not \(captions/,
      ],
      [
        [text, { ...textMask, shape: [2, 3] }],
        named,
        /textMask has the shape \(2, 3\), text needs \(3, 2\)/,
      ],
      [
        [text, { ...textMask, data: Int32Array.of(1, 1, 2, 0, 0, 0) }],
        named,
        /textMask holds 2; it is 1/,
      ],
      [[infinite, textMask], named, /the text of "a dog"/],
      [[text, textMask], {}, /its metadata has no "names"/],
      [[text, textMask], { names: "[1, 2, 3]" }, /is no JSON list of texts/],
      [[text, textMask], { names: "[" }, /is no JSON list of texts/],
      [[text, textMask], namesMetadata(["x", "y"]), /2 names for 3 rows/],
      [[text, textMask], namesMetadata(["x", "y", "x"]), /the name "x" is there twice/],
    ];
    for (const [tensors, metadata, message] of cases) {
      assert.match(await refused(folder, tensors, metadata), message);
    }
  });
});
