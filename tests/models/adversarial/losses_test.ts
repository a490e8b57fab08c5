/** The discriminator and all losses of a tokenizer's step against PyTorch, R1 and its gradient too. */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { add, multiply } from "../../../kernels/ops/elementwise/op.ts";
import { input } from "../../../kernels/tensor.ts";
import { discriminatorLosses } from "../../../models/adversarial/companion.ts";
import { generatorLoss } from "../../../models/adversarial/losses.ts";
import { reconstructionLoss, tokenizerCompanions } from "../../../models/causal_tokenizer/step.ts";
import { paperWeights } from "../../../models/causal_tokenizer/weights.ts";
import {
  countParameters,
  lookup,
  mismatch,
  parameterStates,
  under,
} from "../../../nn/parameters.ts";
import {
  discriminatorParameters,
  paperDiscriminator,
} from "../../../models/adversarial/discriminator.ts";
import { deviceChoices } from "../../devices.ts";
import { assertClose, loadGolden, thinned } from "../../golden.ts";

const config = { baseChannels: 3, multipliers: [2, 2] };
const clip = { frames: 5, height: 6, width: 8 };

for (const { name, available, create } of deviceChoices) {
  Deno.test({
    name: `discriminator: logits, losses and gradients are PyTorch's [${name}]`,
    ignore: !available || name.includes("strict"),
    async fn() {
      const golden = await loadGolden("clip_discriminator.loss");
      const weights = await loadGolden("clip_discriminator.weights");
      const companions = tokenizerCompanions({ discriminator: config, clip });
      const states = parameterStates(companions);
      const shape = golden.shapes.get("input.real")!;
      const [real, fake] = [input("real", shape), input("fake", shape)];
      const judge = discriminatorLosses(config, lookup(states), { real, fake }, paperWeights);
      const l2 = reconstructionLoss(real, fake);
      const generator = add(
        multiply(l2, paperWeights.l2),
        multiply(generatorLoss(judge.judgement), paperWeights.adversarial),
      );
      const trained = companions.filter(({ trainable }) => trainable).map(({ name }) => name);
      const found = gradients(judge.loss, trained.map((each) => states.get(each)!));
      const bare = (each: string) => each.replace(/^discriminator\./, "");
      const outputs = {
        fake: judge.judgement,
        l2,
        generator,
        total: judge.loss,
        adversarial: judge.terms.discriminating,
        r1: judge.terms.r1,
        lecam: judge.terms.lecam,
        "grad.fake": gradients(generator, [fake])[0],
        ...Object.fromEntries(trained.map((each, i) => [`grad.${bare(each)}`, found[i]])),
      };
      const named = Object.fromEntries(
        Object.entries(outputs).map(([each, tensor]) => [`out ${each}`, tensor]),
      );
      const device = await create();
      try {
        const graph = makeGraph("losses", { outputs: named, updates: judge.updates });
        const executable = await device.load(compile(graph));
        executable.buffer("real").write(golden.floats("input.real"));
        executable.buffer("fake").write(golden.floats("input.fake"));
        const running = golden.floats("input.running");
        executable.buffer("discriminator.running_logits").write(running);
        for (const each of trained) executable.buffer(each).write(weights.floats(bare(each)));
        executable.run();
        for (const each of Object.keys(outputs)) {
          const values = Float32Array.from(await executable.buffer(`out ${each}`).read());
          const isGradient = each.startsWith("grad.");
          const wanted = golden.floats(isGradient ? each : `output.${each}`);
          assertClose(each, isGradient ? thinned(values, golden) : values, wanted, 1e-4);
        }
        const means = ["real", "fake"].map((each) => {
          const logits = golden.floats(`output.${each}`);
          return (logits[0] + logits[1]) / 2;
        });
        assertClose(
          "running means",
          Float32Array.from(await executable.buffer("discriminator.running_logits").read()),
          Float32Array.from(means, (mean, i) => 0.999 * running[i] + 0.001 * mean),
          1e-5,
        );
        executable.destroy();
      } finally {
        device.close();
      }
    },
  });
}

Deno.test("discriminator: names and shapes are PyTorch's; the paper's has its size", async () => {
  const { shapes } = await loadGolden("clip_discriminator.weights");
  assert.equal(mismatch(discriminatorParameters(config, clip, 3), shapes), undefined);
  const companions = tokenizerCompanions({ discriminator: config, clip });
  assert.deepEqual(
    companions.slice(0, -1).map(({ name }) => name),
    under("discriminator", discriminatorParameters(config, clip, 3)).map(({ name }) => name),
  );
  const large = discriminatorParameters(paperDiscriminator, {
    frames: 17,
    height: 128,
    width: 128,
  }, 3);
  assert.equal(countParameters(large).parameters, 15_339_457);
});
