/**
 * `tessera bench samplers`: how good pictures are after how many evaluations of the network?
 *
 * @module
 */
import type { Command } from "commander";
import { define } from "../flags/flags.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";
import { samplersFlags } from "./samplers_flags.ts";

/** Builds the command. */
export function samplersCommand(io: Io): Command {
  return define({
    name: "samplers",
    summary: "measure pictures of a DiT against evaluations of the network, for all samplers",
    flags: samplersFlags,
    examples: [
      [
        "tessera bench samplers --features results/000-NaViT-XS-16 --plot samplers.svg",
        "DDPM, DDIM and DPM-Solver++ of the shipped checkpoint",
      ],
      [
        "tessera bench samplers --ckpt results/000-DiT-XS-4,results/001-DiT-XS-4 --features ...",
        "those of a diffusion beside Euler and Heun of a flow",
      ],
    ],
    run: async ({ values }) => {
      if (values.plot !== undefined && !/.\.(?:svg|png)$/i.test(values.plot)) {
        throw new UsageError(`--plot ${values.plot}: the ending must be .svg or .png`);
      }
      const { runSamplers } = await import("./run_samplers.ts");
      await runSamplers(io, values);
    },
  });
}
