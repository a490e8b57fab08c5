import assert from "node:assert/strict";
import { checkpointPlace, shippedCheckpoints } from "../../../cli/flags/checkpoint_place.ts";
import { UsageError } from "../../../cli/terminal/errors.ts";

Deno.test("checkpoints that come with the tool have names, other places are paths", () => {
  for (const name of shippedCheckpoints) {
    const files = [...Deno.readDirSync(checkpointPlace(`shipped:${name}`, "--ckpt"))];
    assert(files.some((file) => file.name === "state.json"), name);
  }
  assert.equal(checkpointPlace("results/000-DiT-XS-4", "--ckpt"), "results/000-DiT-XS-4");
  assert.throws(
    () => checkpointPlace("shipped:fashon", "--ckpt"),
    (error) =>
      error instanceof UsageError &&
      /^--ckpt "shipped:fashon" is not known; did you mean shipped:fashion\?/.test(error.message),
  );
});
