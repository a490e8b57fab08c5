/**
 * `tessera verify`: this tool's numbers against another framework's.
 *
 * @module
 */
import { Command } from "commander";
import type { Comparison } from "../../evaluation/verify/compare.ts";
import type { VerificationCase, VerificationReport } from "../../evaluation/verify/verification.ts";
import type { ConfigOf, Family } from "../../models/registry.ts";
import { ExitCode, UsageError } from "../terminal/errors.ts";
import { define, flag, group, optional, type Values } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";
import { deviceFlags, jsonFlags } from "../flags/options.ts";
import { number, text } from "../flags/parsers.ts";

/** Builds `tessera verify`. */
export function command(io: Io): Command {
  return new Command("verify")
    .description("Compare a model's outputs and gradients with another framework's.")
    .addCommand(verifyDitCommand(io))
    .addCommand(verifyNaViTCommand(io));
}

/** The flags; `contents` says what is in a case. */
const verifyFlags = (contents: string) => ({
  ...group("Case:", {
    config: optional("--config <file|name>", "model config as JSON, or the name of a model", text),
    weights: optional("--weights <file>", "safetensors with the published parameter names", text),
    case: optional("--case <file>", `safetensors with ${contents}, grad.*`, text),
    tolerance: flag(
      "--tolerance <x>",
      "largest difference allowed, as a part of a tensor's largest magnitude",
      number({ min: 0 }),
      1e-4,
    ),
  }),
  ...deviceFlags,
  ...jsonFlags,
});

/** Something is beyond the tolerance; the report has been printed. */
class VerificationFailed extends Error {
  override readonly name = "VerificationFailed";
  readonly exitCode = ExitCode.failure;
}

function verifyDitCommand(io: Io): Command {
  return define({
    name: "dit",
    summary: "a DiT: forward pass and gradients",
    flags: verifyFlags("input.x, input.t, input.y, output.out; and cotangent.out"),
    examples: [[
      "tessera verify dit --config c.json --weights w.safetensors --case case.safetensors",
      "exit code 1 when an output or gradient is beyond the tolerance",
    ]],
    run: async ({ values }) => {
      const { readDiTCase } = await import("../../models/dit/case.ts");
      await runVerification(io, "dit", values, readDiTCase);
    },
  });
}

function verifyNaViTCommand(io: Io): Command {
  return define({
    name: "navit",
    summary: "a NaViT: forward pass of a packed batch and gradients",
    flags: verifyFlags(
      "a packed batch: input.patches, .segments, .rows, .columns, .gridRows, .gridColumns, " +
        "output.logits; and cotangent.logits",
    ),
    examples: [[
      "tessera verify navit --config c.json --weights w.safetensors --case case.safetensors",
      "slots without an image are not compared",
    ]],
    run: async ({ values }) => {
      const { readNaViTCase } = await import("../../models/navit/case.ts");
      await runVerification(io, "navit", values, readNaViTCase);
    },
  });
}

/** Verifies a model of a family, whose cases `readCase` reads. */
async function runVerification<F extends Family>(
  io: Io,
  family: F,
  values: Values<ReturnType<typeof verifyFlags>>,
  readCase: (path: string, config: ConfigOf<F>) => Promise<VerificationCase>,
): Promise<void> {
  const { config: model, weights, case: path } = values;
  if (model === undefined) throw new UsageError("--config is needed: a file or a model's name");
  if (weights === undefined) throw new UsageError("--weights is needed: a safetensors file");
  if (path === undefined) throw new UsageError("--case is needed: a safetensors file");
  const { openVerification, verify } = await import("../../evaluation/verify/verification.ts");
  const { selectDevice } = await import("../../kernels/select_device.ts");
  const { parametersOf } = await import("../../models/registry.ts");
  const { namedConfigOrFile } = await import("../flags/model_config.ts");
  const config = await namedConfigOrFile(family, model);
  const loaded = await readCase(path, config);
  using verification = await openVerification(parametersOf(config), weights, loaded);
  const { device } = await selectDevice(values);
  try {
    const report = await verify(device, verification, values.tolerance);
    const document = { model: family, config, weights, case: path, ...report };
    io.out(values.json ? JSON.stringify(document, null, 2) : describeReport(report));
    if (!report.passed) throw new VerificationFailed(describeFailure(report));
  } finally {
    device.close();
  }
}

function describeReport({ device, tolerance, passed, tensors }: VerificationReport): string {
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
    device,
    "",
    heading.map((text, index) => index === 0 ? text : text.padEnd(10)).join("  ").trimEnd(),
    ...lines,
    "",
    `${passed ? "passed" : "FAILED"}: ${tensors.length} tensors, tolerance ${tolerance} of the ` +
    "largest magnitude",
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
