/**
 * Prints hashes of every kind of step, and of the golden models and twenty training steps on 1, 2 and
 * 3 threads, with as many lanes as the argument says: run with and without V8's flags by
 * `flags_test.ts`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Lanes } from "../../kernels/wasm/emit/assembler.ts";
import { createWasmDevice } from "../../kernels/wasm/device.ts";
import { casesOf, runCase } from "../kernels/ops/cases.ts";
import { goldenBits, goldenModels } from "../models/golden_bits.ts";
import { smallNaViTPlan, trainSmallNaViT } from "./runs/small_navit_run.ts";
import { smallPlan, trainSmall } from "./runs/small_run.ts";

const lanes = Number(Deno.args[0]) as Lanes;

/** A hash of named numbers. */
function hashOf(tensors: ReadonlyMap<string, ArrayLike<number>>): string {
  const hash = createHash("sha256");
  for (const [name, values] of tensors) {
    const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(values)
      ? values
      : Float32Array.from(values);
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest("hex");
}

const hashes: Record<string, string> = {};
for (const [kind, make] of Object.entries(casesOf)) {
  const device = await createWasmDevice({ threads: 2, lanes });
  const results = new Map<string, ArrayLike<number>>();
  for (const test of make(3)) {
    for (const [name, data] of await runCase(device, test)) {
      results.set(`${test.name}: ${name}`, data);
    }
  }
  device.close();
  hashes[`steps of kind ${kind}, 2 threads`] = hashOf(results);
}
for (const threads of [1, 2, 3]) {
  for (const name of goldenModels) {
    const [bits] = await goldenBits(name, [{ threads, lanes }]);
    hashes[`${name}, ${threads} threads`] = hashOf(bits);
  }
  const device = await createWasmDevice({ threads, lanes });
  const runs = {
    dit: await trainSmall(device, smallPlan({ steps: 20 })),
    navit: await trainSmallNaViT(device, smallNaViTPlan({ steps: 20 })),
  };
  device.close();
  for (const [name, states] of Object.entries(runs)) {
    hashes[`twenty steps of a ${name}, ${threads} threads`] = hashOf(states);
  }
}
console.log(JSON.stringify(hashes));
