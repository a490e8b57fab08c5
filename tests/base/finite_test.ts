import assert from "node:assert/strict";
import { describeNonFinite, firstNonFinite } from "../../base/finite.ts";

Deno.test("the first number that is not finite is named with its place", () => {
  assert.equal(firstNonFinite([1, -Infinity, NaN]), 1);
  assert.equal(firstNonFinite(new Float32Array(3)), -1);
  assert.equal(describeNonFinite("w", [0, 0, NaN]), "w holds NaN at element 2");
  assert.equal(describeNonFinite("w", []), undefined);
});
