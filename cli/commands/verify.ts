/**
 * `tessera verify`: this tool's numbers against another framework's.
 *
 * @module
 */
import { Command } from "commander";
import type { Comparison } from "../../evaluation/verify/compare.ts";
import type { VerificationReport } from "../../evaluation/verify/verification.ts";
import { type FamilyCommands, named, wordOf } from "../families/commands.ts";
import { allCommands } from "../families/registry.ts";
import { ExitCode, UsageError } from "../terminal/errors.ts";
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import { alias, define, flag, group, optional, type Values } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";
import { activationFlags, deviceFlags, jsonFlags } from "../flags/options.ts";
import { choice, number, text } from "../flags/parsers.ts";

/** Builds `tessera verify`. */
export function command(io: Io): Command {
  const verify = new Command("verify")
    .description("Compare a model's outputs and gradients with another framework's.");
  for (const family of allCommands()) verify.addCommand(named(familyCommand(io, family), family));
  return verify;
}

/** The flags; `contents` says what is in a case. */
const verifyFlags = (contents: string) => ({
  ...group("Case:", {
    config: optional("--config <file|name>", "model config as JSON, or the name of a model", text),
    ckpt: alias(
      optional(
        "--ckpt <path>",
        "weights: a file with the published parameter names; run, checkpoint or shipped:NAME: averages",
        checkpointPlace,
      ),
      "--weights",
    ),
    case: optional("--case <file>", `safetensors with ${contents}, grad.*`, text),
    tolerance: flag(
      "--tolerance <x>",
      "largest difference allowed, as a part of a tensor's largest magnitude",
      number({ min: 0 }),
      1e-4,
    ),
    dtype: flag(
      "--dtype <f32|f16>",
      "how weights are stored on the device; f16 shows what rounding them costs: outputs are compared, gradients are not",
      choice("f32", "f16"),
      "f32",
    ),
  }),
  ...deviceFlags,
  ...activationFlags,
  ...jsonFlags,
});

/** Something is beyond the tolerance; the report has been printed. */
class VerificationFailed extends Error {
  override readonly name = "VerificationFailed";
  readonly exitCode = ExitCode.failure;
}

function familyCommand(io: Io, family: FamilyCommands) {
  const { name, verify: { summary, contents, hint } } = family;
  const word = wordOf(family);
  return define({
    name: word,
    summary,
    flags: verifyFlags(contents),
    examples: [[
      `tessera verify ${word} --config c.json --ckpt w.safetensors --case case.safetensors`,
      hint,
    ]],
    run: async ({ values }) => {
      await runVerification(io, name, values);
    },
  });
}

/** Verifies a model of a family. */
async function runVerification(
  io: Io,
  name: string,
  values: Values<ReturnType<typeof verifyFlags>>,
): Promise<void> {
  const { config: model, ckpt, case: path } = values;
  if (model === undefined) throw new UsageError("--config is needed: a file or a model's name");
  if (ckpt === undefined) {
    throw new UsageError("--ckpt is needed: a safetensors file, run, checkpoint or shipped:NAME");
  }
  if (path === undefined) throw new UsageError("--case is needed: a safetensors file");
  const { openVerification, verify } = await import("../../evaluation/verify/verification.ts");
  const { selectDevice } = await import("../../kernels/select_device.ts");
  const { explainMisfit, familyByName } = await import("../../models/registry.ts");
  const { locateWeights } = await import("../../training/checkpoints/checkpoint.ts");
  const { namedConfigOrFile } = await import("../flags/model_config.ts");
  const family = familyByName(name);
  const config = await namedConfigOrFile(family, model);
  const { path: weights } = await locateWeights(ckpt, "ema");
  const loaded = await family.case.read(path, config, values.dtype);
  using verification = await openVerification(
    family.parameters(config),
    weights,
    loaded,
    explainMisfit(family, config),
  );
  const { device } = await selectDevice(values);
  try {
    const report = await verify(device, verification, values.tolerance);
    const { dtype, activations } = values;
    const document = { model: name, config, weights, dtype, activations, case: path, ...report };
    io.out(values.json ? JSON.stringify(document, null, 2) : describeReport(report));
    if (!report.passed) throw new VerificationFailed(describeFailure(report));
  } finally {
    device.close();
  }
}

function describeReport(report: VerificationReport): string {
  const { device, tolerance, passed, gradientsLeftOut, tensors } = report;
  const width = Math.max(...tensors.map(({ name }) => name.length), "tensor".length);
  const lines = tensors.map((tensor) =>
    [
      tensor.name.padEnd(width),
      scientific(tensor.maximumError),
      scientific(tensor.relativeError),
      scientific(tensor.magnitude),
      tensor.passed ? "ok" : "BEYOND TOLERANCE",
    ].join("  ")
  );
  const heading = ["tensor".padEnd(width), "max abs", "relative", "largest", ""];
  return [
    gradientsLeftOut > 0 ? `${device}, weights in half precision` : device,
    "",
    heading.map((text, index) => index === 0 ? text : text.padEnd(10)).join("  ").trimEnd(),
    ...lines,
    "",
    `${passed ? "passed" : "FAILED"}: ${tensors.length} tensors, tolerance ${tolerance} of the ` +
    "largest magnitude",
    ...(gradientsLeftOut > 0
      ? [`not compared: ${gradientsLeftOut} gradients, which weights in half precision do not have`]
      : []),
  ].join("\n");
}

function scientific(value: number | null): string {
  return (value === null ? "not finite" : value.toExponential(3)).padEnd(10);
}

function describeFailure({ tensors, tolerance }: VerificationReport): string {
  const failed = tensors.filter(({ passed }) => !passed);
  const size = ({ relativeError }: Comparison): number => relativeError ?? Infinity;
  const worst = failed.reduce((a, b) => size(b) > size(a) ? b : a);
  return `${failed.length} of ${tensors.length} tensors beyond the tolerance ${tolerance}; ` +
    `the worst is ${worst.name}, ${
      worst.relativeError === null ? "not finite" : `off by ${worst.relativeError.toExponential(2)}`
    }`;
}
