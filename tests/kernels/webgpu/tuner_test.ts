/**
 * The tuner: choices are measured once, kept in a file, and can be ordered.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { matmulSizeClass, matmulVariants } from "../../../kernels/ops/matmul/wgsl.ts";
import type { MatmulStep } from "../../../kernels/ops/matmul/step.ts";
import type { Program } from "../../../kernels/program.ts";
import { createWebGPUDevice, type WebGPUOptions } from "../../../kernels/webgpu/device.ts";
import type { FloatType } from "../../../kernels/shape.ts";
import { keepsHalves } from "../../half_activations.ts";
import { available } from "./cases.ts";

function squareProduct(size: number, dtype: FloatType): Program {
  const operand = {
    offset: 0,
    batchStride: 0,
    rowStride: size,
    columnStride: 1,
    dtype,
  };
  const step: MatmulStep = {
    kind: "matmul",
    ...{ batch: 1, m: size, n: size, k: size },
    a: { buffer: 0, ...operand },
    b: { buffer: 1, ...operand },
    output: { buffer: 2, offset: 0, shape: [size, size], strides: [size, 1], dtype },
    epilogueInputs: [],
  };
  return {
    name: "product",
    buffers: ["a", "b", "c"].map((name) => ({
      ...{ name, kind: "state", dtype, elements: size * size },
    })),
    steps: [step],
    arenaBytes: 0,
    slots: [],
  };
}

/** Loads a product of the class "small" and gives the peak of the memory counted. */
async function loadSmall(options: WebGPUOptions): Promise<number> {
  const program = squareProduct(40, options.activations ?? "f32");
  assert.equal(matmulSizeClass(program.steps[0] as MatmulStep), "small");
  const device = await createWebGPUDevice(options);
  try {
    (await device.load(program)).destroy();
    return device.peakBytes;
  } finally {
    device.close();
  }
}

/** Runs a test with an empty cache folder. */
function withFolder(
  name: string,
  body: (folder: string) => Promise<void>,
  isPossible = available,
): void {
  Deno.test({
    name,
    ignore: !isPossible,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        await body(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

async function onlyFile(folder: string): Promise<string> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  assert.equal(entries.length, 1, "one file and no temporary ones");
  return join(folder, entries[0].name);
}

withFolder("choices are measured once and kept", async (folder) => {
  const tuned = await loadSmall({ cacheFolder: folder });
  const file = await onlyFile(folder);
  const content = JSON.parse(await Deno.readTextFile(file));
  assert.deepEqual(Object.keys(content.choices), ["matmul.small"]);
  assert.ok(matmulVariants.includes(content.choices["matmul.small"]));
  const ordered = await loadSmall({ variants: { matmul: content.choices["matmul.small"] } });
  assert.equal(tuned, ordered, "measuring does not count as the program's memory");

  // A second device takes the choice from the file: it would otherwise be written again.
  const { mtime } = await Deno.stat(file);
  await loadSmall({ cacheFolder: folder });
  assert.deepEqual((await Deno.stat(file)).mtime, mtime);
});

withFolder(
  "products of activations in half precision are measured on such, beside the others",
  async (folder) => {
    await loadSmall({ cacheFolder: folder });
    await loadSmall({ cacheFolder: folder, activations: "f16" });
    const { choices } = JSON.parse(await Deno.readTextFile(await onlyFile(folder)));
    assert.deepEqual(Object.keys(choices).sort(), ["matmul.small", "matmul.small.f16"]);
    assert(Object.values(choices).every((variant) => matmulVariants.includes(variant as string)));
  },
  keepsHalves,
);

withFolder("a broken file is measured over", async (folder) => {
  await loadSmall({ cacheFolder: folder });
  const file = await onlyFile(folder);
  for (const content of ["{", "null", '{"version":1}']) {
    await Deno.writeTextFile(file, content);
    await loadSmall({ cacheFolder: folder });
    assert.ok(JSON.parse(await Deno.readTextFile(file)).choices["matmul.small"]);
  }
});

withFolder("a folder that cannot be written is no error", async (folder) => {
  const file = join(folder, "file");
  await Deno.writeTextFile(file, "");
  await loadSmall({ cacheFolder: join(file, "below") });
});

withFolder("ordered variants are not measured", async (folder) => {
  await loadSmall({ cacheFolder: folder, variants: { matmul: "simple" } });
  Deno.env.set("TESSERA_MATMUL_VARIANT", "windows");
  try {
    await loadSmall({ cacheFolder: folder });
    Deno.env.set("TESSERA_MATMUL_VARIANT", "magic");
    await assert.rejects(loadSmall({ cacheFolder: folder }), /no variant "magic"/);
  } finally {
    Deno.env.delete("TESSERA_MATMUL_VARIANT");
  }
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
});
