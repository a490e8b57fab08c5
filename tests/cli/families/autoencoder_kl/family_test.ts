/** The autoencoder of latent diffusion on the command line: verified, counted, trained. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readPngMetadata } from "../../../../formats/pictures/png.ts";
import { openSafetensors } from "../../../../formats/tensors/safetensors.ts";
import { readMetrics } from "../../../../training/runs/metrics.ts";
import { deviceChoices } from "../../../devices.ts";
import { assertSameTensors, checkpointOf, onWasm, run, succeed, withFolder } from "../../runs.ts";
import {
  deviceFlags,
  type Editable,
  filesOf,
  find,
  verifier,
  withEdited,
} from "../../verify_cases.ts";

const verify = verifier("vae");
const files = filesOf("autoencoder_kl");

const withoutGradients = (tensors: Editable[]): Editable[] =>
  tensors.filter(({ name }) => !/^(?:grad|cotangent)\./.test(name));

for (const { name, available } of deviceChoices) {
  Deno.test({
    name: `verify vae: both halves and their gradients [${name}]`,
    ignore: !available,
    async fn() {
      // Compiling the kernels of all gradients takes software adapters long; those of a training
      // step are compared on every device (`tests/models/autoencoder_kl`).
      const checked = name === "webgpu" ? withoutGradients : () => {};
      await withEdited(files.case, checked, async (path) => {
        const flags = [...deviceFlags(name), "--json"];
        const { code, out, err } = await verify({ ...files, case: path }, ...flags);
        assert.deepEqual({ code, err }, { code: 0, err: "" });
        const { passed, tensors } = JSON.parse(out);
        const names = tensors.map(({ name }: { readonly name: string }) => name);
        assert(passed);
        assert.deepEqual(names.slice(0, 2), ["output.moments", "output.image"]);
        assert.equal(names.includes("grad.encoder.conv_in.weight"), name !== "webgpu");
        assert.equal(names.includes("grad.decoder.conv_out.weight"), name !== "webgpu");
        for (const { relativeError } of tensors.slice(0, 2)) assert(relativeError < 1e-5);
      });
    },
  });
}

Deno.test("verify vae: what does not fit is refused", async () => {
  await withEdited(
    files.case,
    (tensors) => void (find(tensors, "input.image").shape = [2, 3, 16, 6]),
    async (path) => {
      const { code, err } = await verify({ ...files, case: path });
      assert.equal(code, 1);
      assert.match(err, /input\.image: the width 6 is not divisible by 4; nearest widths: 4 and 8/);
    },
  );
});

Deno.test("info and bench: the published size, by its name and by diffusers' config.json", async () => {
  await withFolder(async (folder) => {
    const report = async (...args: string[]) =>
      JSON.parse(await succeed("info", "model", ...args, "--json"));
    const named = await report("SD-VAE");
    assert.deepEqual([named.parameters, named.tokens], [83_653_863, 32 * 32]);
    const path = join(folder, "config.json");
    await Deno.writeTextFile(
      path,
      JSON.stringify({
        _class_name: "AutoencoderKL",
        in_channels: 3,
        out_channels: 3,
        latent_channels: 4,
        block_out_channels: [128, 256, 512, 512],
        layers_per_block: 2,
        sample_size: 256,
      }),
    );
    const { config, macs } = await report("--config", path);
    assert.deepEqual({ config, macs }, { config: named.config, macs: named.macs });
    const flags = ["--blocks", "1", "--block-out-channels", "8,16", "--groups", "4"];
    const small = await report("VAE-XS", ...flags, "--channels", "1", "--image-size", "20");
    assert.deepEqual([small.config.channels, small.tokens], [1, 100]);
  });
  const bench = "bench throughput --model VAE-XS --image-size 8 --batch-size 1 -r 1";
  const timed = JSON.parse(
    await succeed(
      ...bench.split(" "),
      ...["--ops", "forward,train,train-plain", "--format", "json"],
      ...onWasm,
    ),
  );
  const statuses = timed.rows.map(({ status }: { readonly status: string }) => status);
  assert.deepEqual(statuses, ["ok", "ok", "ok"]);
});

const tiny: readonly string[] = [
  ..."--block-out-channels 4,8 --groups 2 --batch-size 4 --ckpt-every 3 --log-every 3".split(" "),
  ..."--sample-every 3 --kl-weight 0.01 --flip".split(" "),
  ..."--adversarial-weight 0.05 --r1-cost 1 --discriminator-channels 2".split(" "),
  ...onWasm,
];

Deno.test("train vae: a resumed run has the same bits; metrics, sheets and plan are right", async () => {
  await withFolder(async (folder) => {
    const classifier = await succeed(
      ...["train", "navit", "--hidden", "16", "--heads", "2", "--depth", "1", "--patch", "7"],
      ...["--steps", "1", "--sequence-length", "16", "--batch-size", "2", "--resolution", "28"],
      ...["--data-path", "data/samples/fashion", "--channels", "1", ...onWasm],
      ...["--results-dir", join(folder, "navit")],
    );
    const train = (...args: string[]) =>
      succeed(
        ...["train", "vae", "--results-dir", folder, ...tiny],
        ...["--perceptual", classifier, "--perceptual-weight", "0.5", ...args],
      );
    const whole = await train("--steps", "6");
    const begun = await train("--steps", "3");
    // The run has the classifier's weights, whatever becomes of their file.
    await Deno.remove(classifier, { recursive: true });
    await succeed(...`train vae --steps 6 ${onWasm.join(" ")} --resume`.split(" "), begun);
    await assertSameTensors(checkpointOf(begun, 6), checkpointOf(whole, 6));
    const metrics = await readMetrics(whole);
    assert.deepEqual(metrics.map(({ step }) => step), [3, 6]);
    for (const { loss, meanSquaredError, klDivergence, perceptual, adversarial } of metrics) {
      assert(perceptual > 0);
      const plain = meanSquaredError + 0.01 * klDivergence;
      assert(Math.abs(loss - (plain + 0.5 * perceptual + 0.05 * adversarial)) < 1e-5);
    }
    using model = await openSafetensors(join(checkpointOf(whole, 6), "model.safetensors"));
    assert(![...model.tensors.keys()].some((name) => name.startsWith("perceptual")));
    const sheet = await Deno.readFile(join(whole, "samples", "0000006.png"));
    assert.match(JSON.stringify(readPngMetadata(sheet)), /"step":6/);
    const plan = await succeed("train", "vae", ...tiny, "--dry-run");
    assert.match(plan, /^discriminator +[\d,]+ parameters$/m);
    assert.match(plan, /^latents +4 x 14 x 14 of 28 x 28$/m);
    assert.match(plan, /^ {2}samples .*^ {2}total .*^limits +fits/ms);
  });
});

Deno.test("train vae: pictures and models that do not fit are refused in one line", async () => {
  const cases: [string, RegExp][] = [
    ["train vae --image-size 30", /the side 30 is not divisible by 4; nearest sides/],
    ["train vae --channels 2", /2 channels: pictures can have 1 \(grey\) or 3 \(colour\)/],
    ["train vae --model DiT-S/4", /DiT-S\/4 is a dit, not a autoencoder-kl/],
    ["train vae --groups 5", /the width 16 is not divisible by 5 groups; nearest widths: 15/],
    [
      "train vae --accumulate 2 --adversarial-weight 0.1",
      /--accumulate: the discriminator's means/,
    ],
    ["train vae --perceptual none", /checkpoint none: does not exist/],
    ["sample vae", /there is none for a VAE/],
  ];
  for (const [line, message] of cases) {
    const { code, err } = await run(...line.split(" "));
    assert(code !== 0, line);
    assert.match(err, message);
    assert.equal(err.trimEnd().split("\n").length, 1, err);
  }
});
