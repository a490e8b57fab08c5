/** What is known of weights that name nothing. */
import assert from "node:assert/strict";
import { resolveClasses } from "../../../models/classes.ts";
import { ditConfigs } from "../../../models/dit/model.ts";
import { findDiT } from "../../../models/dit/sampling.ts";

Deno.test("a thousand classes of published weights are those of ImageNet, by number or word", async () => {
  const config = ditConfigs.get("DiT-XL/2")!;
  const { classNames } = await findDiT("DiT-XL-2-256x256.pt", "ema", config);
  assert.equal(classNames.length, 1000);
  const words = ["golden retriever", "207", "Tinca tinca", "bubble"];
  assert.deepEqual(resolveClasses(words, classNames, 1000), [207, 207, 0, 971]);
  assert.throws(() => resolveClasses(["crane"], classNames, 1000), /classes 134 and 517/);
  assert.throws(() => resolveClasses(["golden retreiver"], classNames, 1000), /golden retriever/);
  const few = await findDiT("other.pt", "ema", { ...config, classes: 3 });
  assert.deepEqual(few.classNames, ["0", "1", "2"]);
});
