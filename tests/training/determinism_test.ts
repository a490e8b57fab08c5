/** Equal seeds lead to equal bits, on any number of threads and lanes; other seeds lead elsewhere. */
import assert from "node:assert/strict";
import { createWasmDevice } from "../../kernels/wasm/device.ts";
import { eachDefaultDevice } from "../devices.ts";
import { smallNaViTPlan, trainSmallNaViT } from "./runs/small_navit_run.ts";
import { smallPlan, trainSmall } from "./runs/small_run.ts";

eachDefaultDevice("a seed decides every bit of a run", async (device) => {
  const first = await trainSmall(device, smallPlan());
  assert.deepEqual(await trainSmall(device, smallPlan()), first);
  const other = await trainSmall(device, smallPlan({ run: { seed: 4 } }));
  for (const [name, values] of first) {
    assert(values.every(Number.isFinite), name);
    if (!name.endsWith("pos_embed")) assert.notDeepEqual(other.get(name), values, name);
  }
});

for (const loss of ["softmax", "contrastive"] as const) {
  eachDefaultDevice(`a seed decides every bit of a NaViT's run, ${loss}`, async (device) => {
    const first = await trainSmallNaViT(device, smallNaViTPlan({ run: { loss } }));
    assert.deepEqual(await trainSmallNaViT(device, smallNaViTPlan({ run: { loss } })), first);
    const other = await trainSmallNaViT(device, smallNaViTPlan({ run: { loss, seed: 4 } }));
    for (const [name, values] of first) {
      assert(values.every(Number.isFinite), name);
      assert.notDeepEqual(other.get(name), values, name);
    }
  });
}

/** Devices that must agree with the first one. */
const devices = [
  { threads: 1, lanes: 4 },
  { threads: 2, lanes: 4 },
  { threads: 3, lanes: 4 },
  { threads: 2, lanes: 8 },
] as const;

Deno.test("twenty steps have the same bits on four and on eight lanes", async () => {
  const runs = [];
  for (const lanes of [4, 8] as const) {
    const device = await createWasmDevice({ threads: 2, lanes });
    try {
      runs.push(await trainSmall(device, smallPlan({ steps: 20 })));
    } finally {
      device.close();
    }
  }
  assert.deepEqual(runs[1], runs[0]);
});

for (const strictMath of [false, true]) {
  for (const loss of ["softmax", "contrastive"] as const) {
    const title = `a NaViT's run has the same bits on 1, 2 and 3 threads and 8 lanes, ${loss}`;
    Deno.test(`${title}${strictMath ? ", strict" : ""}`, async () => {
      const runs = [];
      for (const options of devices) {
        const device = await createWasmDevice({ ...options, strictMath });
        try {
          // Wide and deep enough to be divided.
          const config = { hidden: 64, mlp: 256, depth: 2 };
          const plan = smallNaViTPlan({ steps: 2, config, run: { loss, sequences: 8 } });
          runs.push(await trainSmallNaViT(device, plan));
        } finally {
          device.close();
        }
      }
      for (const run of runs.slice(1)) assert.deepEqual(run, runs[0]);
    });
  }

  Deno.test(`a run has the same bits on 1, 2 and 3 threads and 8 lanes${strictMath ? ", strict" : ""}`, async () => {
    const runs = [];
    for (const options of devices) {
      const device = await createWasmDevice({ ...options, strictMath });
      try {
        // Wide and deep enough to be divided.
        const plan = smallPlan({ steps: 2, run: { batchSize: 24 } });
        const config = { ...plan.description.config, patch: 2, hidden: 64 };
        runs.push(
          await trainSmall(device, { ...plan, description: { ...plan.description, config } }),
        );
      } finally {
        device.close();
      }
    }
    for (const run of runs.slice(1)) assert.deepEqual(run, runs[0]);
  });
}
