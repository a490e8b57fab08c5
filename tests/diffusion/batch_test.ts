/** A picture does not depend on the batch it is drawn in: odd shapes, all samplers, bit for bit. */
import assert from "node:assert/strict";
import type { SamplerName } from "../../diffusion/samplers/sampler.ts";
import { elementCount } from "../../kernels/shape.ts";
import type { Device } from "../../kernels/device.ts";
import { createWasmDevice } from "../../kernels/wasm/device.ts";
import { type DiTConfig, ditParameters } from "../../models/dit/model.ts";
import { createDiTSampler } from "../../models/dit/sampling.ts";

const base = { family: "dit", conditioning: "adaLN-Zero", classes: 3 } as const;

/** Tokens, widths and pixels that are no multiples of vectors or tiles. */
const configs: DiTConfig[] = [
  {
    ...base,
    inputSize: 9,
    patch: 3,
    channels: 3,
    hidden: 20,
    heads: 2,
    depth: 2,
    learnSigma: true,
  },
  {
    ...base,
    inputSize: 5,
    patch: 1,
    channels: 1,
    hidden: 36,
    heads: 3,
    depth: 1,
    learnSigma: false,
  },
  // A depth of more than one block.
  {
    ...base,
    inputSize: 4,
    patch: 2,
    channels: 4,
    hidden: 200,
    heads: 2,
    depth: 1,
    learnSigma: true,
  },
];

/** Weights without zeros, so that no gate is closed. */
function fillParameters(device: Device, config: DiTConfig) {
  return new Map(
    ditParameters(config).map(({ name, shape }, table) => {
      const buffer = device.createBuffer(name, "f32", elementCount(shape));
      buffer.write(Float32Array.from(
        { length: buffer.elements },
        (_, index) => 0.05 * Math.sin((table + 1) * 12.9898 + index * 78.233),
      ));
      return [name, buffer];
    }),
  );
}

async function draw(
  device: Device,
  config: DiTConfig,
  parameters: ReturnType<typeof fillParameters>,
  { sampler, batchSize, count }: { sampler: SamplerName; batchSize: number; count: number },
): Promise<Float32Array> {
  const program = await createDiTSampler(device, config, parameters, {
    sampler,
    steps: 3,
    batchSize,
    guidance: { scale: 1.5 },
  });
  const labels = Array.from({ length: count }, (_, index) => index % config.classes);
  const pictures = await program.sample({ seed: 5, labels });
  program.destroy();
  return pictures;
}

for (const strictMath of [false, true]) {
  Deno.test(`pictures do not depend on the batch [wasm${strictMath ? ", strict" : ""}]`, async () => {
    for (const config of configs) {
      const device = await createWasmDevice({ threads: 2, strictMath, batchInvariant: true });
      try {
        const parameters = fillParameters(device, config);
        for (const sampler of ["ddpm", "dpm++"] as const) {
          const whole = await draw(device, config, parameters, { sampler, batchSize: 7, count: 7 });
          assert(whole.every(Number.isFinite));
          for (const [batchSize, count] of [[1, 3], [2, 7], [3, 7], [40, 40]]) {
            const pictures = await draw(device, config, parameters, { sampler, batchSize, count });
            const length = Math.min(whole.length, pictures.length);
            assert.deepEqual(
              pictures.subarray(0, length),
              whole.subarray(0, length),
              `${sampler}, side ${config.inputSize}, batches of ${batchSize}`,
            );
          }
        }
      } finally {
        device.close();
      }
    }
  });
}
