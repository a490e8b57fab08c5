/** Every golden model, forward and backward, has the same bits on four and on eight lanes. */
import assert from "node:assert/strict";
import { goldenBits, goldenModels } from "./golden_bits.ts";

for (const name of goldenModels) {
  Deno.test(`${name}: the same bits on four and on eight lanes`, async () => {
    for (const strictMath of [false, true]) {
      const [four, eight] = await goldenBits(name, [
        { threads: 1, lanes: 4, strictMath },
        { threads: 2, lanes: 8, strictMath },
      ]);
      assert.deepEqual(eight, four);
    }
  });
}
