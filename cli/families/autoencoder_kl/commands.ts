/**
 * The autoencoders of latent diffusion on the command line.
 *
 * @module
 */
import type { AutoencoderKLConfig } from "../../../models/autoencoder_kl/model.ts";
import { type FamilyCommand, type FamilyCommands, trainCommand } from "../commands.ts";
import { encodeVaeFlags } from "./encode_flags.ts";
import { evalVaeFlags } from "./eval_flags.ts";
import { autoencoderKLFields } from "./model_flags.ts";
import { trainVaeFlags } from "./train_flags.ts";

const train = trainCommand({
  summary: "train an autoencoder whose latents a diffusion model works on",
  description:
    "Train a variational autoencoder on pictures: from pixels to a few numbers for each " +
    "square of them, and back.\n\n" +
    "Its latents are what `train dit` can be trained on. A run can be stopped with Ctrl-C at any " +
    "time and resumed.",
  flags: trainVaeFlags,
  examples: [
    ["tessera train vae --steps 300 --sample-every 100", "a first run on the shipped pictures"],
    ["tessera train vae --data-path photos --image-size 64", "your own pictures, in colour"],
    ["tessera train vae --resume auto --steps 5000", "go on with the newest run"],
    ["tessera train vae --model SD-VAE --image-size 256 --dry-run", "what a run would need"],
  ],
  load: async () => (await import("./train.ts")).autoencoderKLTraining,
});

const encode: FamilyCommand<typeof encodeVaeFlags> = {
  summary: "encode pictures with a VAE",
  description: "Encode pictures into a cache of latents.\n\n" +
    "The cache holds the posterior of every latent, so that training draws samples, and says which " +
    "autoencoder it is of. What is stopped or killed is continued by the same command.",
  flags: encodeVaeFlags,
  examples: [
    ["tessera encode --ckpt results/000-VAE-XS --out latents", "the shipped pictures"],
    [
      "tessera encode --ckpt sd-vae-ft-mse --data-path photos --image-size 256 --out latents",
      "your own pictures, with a folder of diffusers",
    ],
    ["tessera train dit --data-path latents", "train on them"],
  ],
  run: async (io, { values }) => {
    const { runEncodeVae } = await import("./encode.ts");
    await runEncodeVae(io, values);
  },
};

const evaluation: FamilyCommand<typeof evalVaeFlags> = {
  summary: "how well a VAE brings pictures back, and what its latents are like",
  description: "PSNR and SSIM of pictures, the divergence of their posteriors from the standard " +
    "normal, and mean and deviation of the latents.",
  flags: evalVaeFlags,
  examples: [
    ["tessera eval vae --ckpt results/000-VAE-XS", "a run, on its data"],
    [
      "tessera eval vae --ckpt results/000-VAE-XS --sheet sheet.png",
      "with originals above reconstructions",
    ],
    [
      "tessera eval vae --ckpt sd-vae-ft-mse --data-path photos --image-size 256 --count 4",
      "a folder of diffusers, on pictures of your own",
    ],
  ],
  run: async (io, { values }) => {
    const { runEvalVae } = await import("./eval.ts");
    await runEvalVae(io, values);
  },
};

/** The commands of autoencoders. */
export const autoencoderKLCommands: FamilyCommands<AutoencoderKLConfig> = {
  name: "autoencoder-kl",
  word: "vae",
  title: "VAE",
  fields: autoencoderKLFields,
  verify: {
    summary: "a VAE: both halves and their gradients",
    contents: "input.image, output.moments, input.latent, output.image; and cotangent.moments, " +
      "cotangent.image",
    hint: "pictures to moments of the latent, latents to pictures",
  },
  train,
  eval: evaluation,
  encode,
};
