/** The perceptual loss sees frames as the classifier does, and changes only the tokenizer. */
import assert from "node:assert/strict";
import { ripple } from "../../../base/ripple.ts";
import type { Device } from "../../../kernels/device.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { input, state } from "../../../kernels/tensor.ts";
import { lookup, type ParameterSpecification, parameterStates } from "../../../nn/parameters.ts";
import {
  checkPerceptual,
  frameLogits,
  perceptualLoss,
  perceptualParameters,
} from "../../../models/perceptual/loss.ts";
import { navitForwardGraph } from "../../../models/navit/graph.ts";
import { type NaViTConfig, navitConfigs, navitParameters } from "../../../models/navit/model.ts";
import { deviceChoices } from "../../devices.ts";
import { assertClose } from "../../golden.ts";
import { soaking } from "../../scale.ts";

const config: NaViTConfig = {
  ...navitConfigs.get("NaViT-XS/4")!,
  patch: 4,
  hidden: 16,
  depth: 1,
  heads: 2,
  mlp: 32,
  classes: 3,
  positionLength: 4,
};

const [batch, frames, height, width] = [2, 2, 8, 12];
const shape = [batch, 3, frames, height, width];
const length = 6;

/** Values that no two parameters share. */
const valuesOf = (specifications: readonly ParameterSpecification[]) =>
  new Map(specifications.map(({ name, shape }, index) => [
    name,
    ripple(shape.reduce((a, b) => a * b, 1), 3 + index),
  ]));

/** Patches of single frames, cut out one number at a time. */
function patchesOf(video: Float32Array): Float32Array {
  const patches: number[] = [];
  for (let n = 0; n < batch; n++) {
    for (let f = 0; f < frames; f++) {
      for (let token = 0; token < length; token++) {
        const [top, left] = [4 * Math.floor(token / 3), 4 * (token % 3)];
        for (let c = 0; c < 3; c++) {
          for (let y = 0; y < 4; y++) {
            for (let x = 0; x < 4; x++) {
              patches.push(
                video[(((n * 3 + c) * frames + f) * height + top + y) * width + left + x],
              );
            }
          }
        }
      }
    }
  }
  return Float32Array.from(patches);
}

/** Compares on a device. */
async function compareLogits(device: Device): Promise<void> {
  const values = valuesOf(navitParameters(config));
  const [real, fake] = [1, 2].map((seed) => ripple(batch * 3 * frames * height * width, seed));
  const run = async (graph: ReturnType<typeof makeGraph>, inputs: Record<string, unknown>) => {
    const executable = await device.load(compile(graph));
    for (const [name, data] of Object.entries(inputs)) {
      executable.buffer(name).write(data as Float32Array);
    }
    executable.run();
    const results = new Map<string, Float32Array>();
    for (const name of graph.outputs.keys()) {
      results.set(name, Float32Array.from(await executable.buffer(name).read()));
    }
    executable.destroy();
    return results;
  };
  const sequences = batch * frames;
  const tokens = (of: (token: number) => number) =>
    Int32Array.from({ length: sequences * length }, (_, place) => of(place % length));
  const logitsOf = async (video: Float32Array) =>
    (await run(navitForwardGraph(config, { sequences, length, slots: 1 }), {
      ...Object.fromEntries(values),
      patches: patchesOf(video),
      segments: tokens(() => 0),
      rows: tokens((token) => Math.floor(token / 3)),
      columns: tokens((token) => token % 3),
    })).get("logits")!;
  const [wanted, found] = [await logitsOf(real), await logitsOf(fake)];
  const specifications = perceptualParameters(config, values);
  const of = lookup(parameterStates(specifications));
  const clips = { real: input("real", shape), fake: state("fake", shape) };
  const loss = perceptualLoss(config, of, clips);
  const [gradient, none] = gradients(loss, [clips.fake, clips.real]);
  const outputs = { logits: frameLogits(config, of, clips.real), loss, gradient, none };
  const results = await run(makeGraph("perceptual", { outputs }), {
    ...Object.fromEntries([...values].map(([name, value]) => [`perceptual.${name}`, value])),
    real,
    fake,
  });
  assertClose("logits", results.get("logits")!, wanted, 1e-5);
  const error = found.reduce((sum, value, i) => sum + (value - wanted[i]) ** 2, 0) / found.length;
  assertClose("loss", results.get("loss")!, Float32Array.of(error), 1e-5);
  assert(results.get("gradient")!.some((value) => Math.abs(value) > 1e-6));
  assert(results.get("none")!.every((value) => value === 0));
}

for (const { name, available, create } of deviceChoices) {
  Deno.test({
    name: `the perceptual loss compares the classifier's logits of frames [${name}]`,
    // Its kernels are those of a NaViT, which the tests of that run on every device.
    ignore: !available || (name !== "wasm, 1 thread" && !soaking),
    async fn() {
      const device = await create();
      try {
        await compareLogits(device);
      } finally {
        device.close();
      }
    },
  });
}

Deno.test("a classifier's weights are kept as they are, and its frames must fit it", () => {
  const frozen = perceptualParameters(config, valuesOf(navitParameters(config)));
  assert(frozen.every(({ trainable, initial }) => !trainable && initial.kind === "values"));
  assert(perceptualParameters(config).every(({ initial }) => initial.kind === "zeros"));
  const check = (changes: Partial<NaViTConfig>, side = 16) =>
    checkPerceptual({ path: "w", config: { ...config, ...changes } }, {
      frames: 5,
      height: side,
      width: 8,
      channels: 3,
    });
  check({});
  assert.throws(
    () => check({}, 18),
    /w: the height 18 is not divisible by its patch 4; .*16 and 20/,
  );
  assert.throws(() => check({}, 32), /w: has positions for 4 patches a side, frames have 8/);
  assert.throws(() => check({ channels: 1 }), /w: sees 1 channels, the autoencoder has 3/);
});
