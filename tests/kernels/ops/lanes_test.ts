/**
 * Kernels for eight lanes against those for four, and two threads against one: the same bits.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { HostArray } from "../../../kernels/shape.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { casesOf, runCase } from "./cases.ts";

const bitsOf = ({ buffer, byteOffset, length }: HostArray) =>
  new Int32Array(buffer, byteOffset, length);

for (const strictMath of [false, true]) {
  const mode = strictMath ? "strict" : "relaxed";
  for (const [kind, make] of Object.entries(casesOf)) {
    Deno.test(`step ${kind}: the same bits on four and on eight lanes, ${mode}`, async () => {
      const four = await createWasmDevice({ threads: 1, strictMath, lanes: 4 });
      const eight = await createWasmDevice({ threads: 2, strictMath, lanes: 8 });
      try {
        for (const test of make(3)) {
          const expected = await runCase(four, test);
          for (const [name, actual] of await runCase(eight, test)) {
            assert.deepEqual(bitsOf(actual), bitsOf(expected.get(name)!), `${test.name}: ${name}`);
          }
        }
      } finally {
        four.close();
        eight.close();
      }
    });
  }
}

Deno.test("a device has the lanes it is asked for, or says why it took others", async () => {
  for (const lanes of [4, 8, "auto"] as const) {
    const device = await createWasmDevice({ threads: 1, lanes });
    device.close();
    if (lanes === "auto") {
      assert.match(device.lanesReason, /pairs of vectors run at \d+\.\d\d times/);
    } else assert.deepEqual([device.lanes, device.lanesReason], [lanes, "as asked for"]);
  }
});
