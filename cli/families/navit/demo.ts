/**
 * The demo of NaViT, step by step: device, training on pictures of mixed sizes, accuracy against
 * tokens, packed against padded.
 *
 * @module
 */
import { join } from "@std/path";
import { accuracyTokensChart } from "../../../evaluation/charts/accuracy_tokens.ts";
import { evaluateNaViT } from "../../../models/navit/evaluation.ts";
import { settingColumns } from "../../../evaluation/report/columns.ts";
import { renderEvaluation } from "../../../evaluation/report/render.ts";
import type { EvaluationReport, SettingRow } from "../../../evaluation/report/report.ts";
import { writeBytesAtomically, writeTextAtomically } from "../../../formats/files/atomic_file.ts";
import { svgToPng } from "../../../formats/pictures/bitmap.ts";
import { describeMachine } from "../../../base/machine.ts";
import { renderChart } from "../../../formats/plots/render.ts";
import { alignedTable } from "../../../formats/text/table.ts";
import type { Device } from "../../../kernels/device.ts";
import { selectDevice } from "../../../kernels/select_device.ts";
import { findNaViT } from "../../../models/navit/weights.ts";
import type { DemoOptions } from "../../commands/demo_flags.ts";
import {
  listResults,
  lossCurve,
  say,
  sayApart,
  stepsWithoutEnd,
  trainFor,
} from "../../commands/demo_training.ts";
import { evaluatedModel } from "./eval.ts";
import { parseFlags } from "../../flags/flags.ts";
import type { Io } from "../../terminal/io.ts";
import { formatCount } from "../../terminal/numbers.ts";
import { openPictureSet } from "../../../data/open.ts";
import { placeOf, planNewRun, preparedRun, titleOf } from "../../commands/train_prepare.ts";
import { navitTraining } from "./train.ts";
import { navitTrainFlags } from "./train_flags.ts";
import { versions } from "../../terminal/version.ts";

/** The demo's own training: pictures a little smaller than they are, so that many are seen. */
const trainingFlags = [
  ...["--resolution", "24:64", "--token-drop", "beta:0.2:0.6"],
  ...["--sequences", "8", "--sequence-length", "128", "--images-per-sequence", "32"],
  ...["--lr-schedule", "constant", "--lr", "1.5e-3", "--warmup", "30", "--flip"],
  ...["--head-weight-decay", "0.03", "--ema-decay", "0.99", "--log-every", "20"],
];

/** Numbers of tokens at which the model is evaluated. */
const budgets = [4, 9, 16, 25, 36, 64, 100];

/** Runs the demo. */
export async function runNaViTDemo(io: Io, options: DemoOptions): Promise<void> {
  const { device, reason } = await selectDevice({ ...options, batchInvariant: true });
  try {
    say(io, `1. Device: ${device.kind.name}, ${device.description}`);
    say(io, `   (${reason})`);
    const folder = await train(io, options, device);
    say(io, "3. Evaluating on pictures it has not seen, at several numbers of tokens");
    const report = await evaluate(io, options, device, folder);
    io.out(alignedTable(settingColumns, report.settings));
    say(io, `   ${packingGain(report.settings)}`);
    const [plot, page] = [join(folder, "accuracy.png"), join(folder, "report.html")];
    const chart = accuracyTokensChart(report.settings.filter(({ kind }) => kind === "tokens"));
    await writeBytesAtomically(plot, await svgToPng(await renderChart(chart)));
    await writeTextAtomically(page, await renderEvaluation(report, "html"));
    listResults(io, [
      ["accuracy against tokens", plot],
      ["report with all plots", page],
      ...await lossCurve(folder),
      ["run folder", folder],
    ]);
    sayApart(io, "What to try next:");
    for (const line of nextSteps(folder)) say(io, `   ${line}`);
  } finally {
    device.close();
  }
}

/** Trains on the shipped pictures for the given time; returns the run folder. */
async function train(io: Io, options: DemoOptions, device: Device): Promise<string> {
  const flags = [...trainingFlags, "--steps", `${stepsWithoutEnd}`, "--seed", `${options.seed}`];
  const parsed = parseFlags(navitTrainFlags, flags);
  const run = await planNewRun(io, navitTraining, parsed);
  const title = titleOf(parsed.values);
  say(
    io,
    `2. Training ${title} on ${formatCount(run.data.length)} pictures of mixed sizes for ` +
      `${options.seconds} s`,
  );
  return await trainFor(io, options, preparedRun(navitTraining, run, title), device);
}

/** Evaluates what was trained on the test part of the shipped pictures. */
async function evaluate(
  io: Io,
  { quiet }: DemoOptions,
  device: Device,
  folder: string,
): Promise<EvaluationReport> {
  const source = await findNaViT(folder, "ema");
  const { config, classNames, dataPath, run } = source.manifest;
  const pictures = await openPictureSet(placeOf(navitTraining, dataPath), {
    warn: (line) => say(io, line),
    channels: config.channels,
    captions: false,
    split: "test",
    classNames,
  });
  const largest = Math.max(...budgets);
  const model = evaluatedModel({ name: "demo", source });
  return await evaluateNaViT(
    { machine: await describeMachine(versions()), device, checkpoint: folder },
    [model],
    { name: pictures.name, pictures },
    {
      settings: [
        ...budgets.map((tokens) => ({ kind: "tokens", tokens }) as const),
        { kind: "native", tokens: largest },
        { kind: "padded", tokens: largest },
      ],
      resolutions: [],
      aspects: [],
      baseSide: Math.sqrt(largest) * config.patch,
      batches: { sequences: 8, length: run.length },
    },
    (line) => quiet || io.live && say(io, `   ${line}`),
  );
}

/** What packing gains over padding. */
function packingGain(rows: readonly SettingRow[]): string {
  const [packed, padded] = (["native", "padded"] as const).map((kind) =>
    rows.find((row) => row.kind === kind)!
  );
  const ratio = padded.milliseconds / packed.milliseconds;
  return `At native size the model takes ${
    packed.milliseconds.toFixed(2)
  } ms a picture when they ` +
    `are packed, ${padded.milliseconds.toFixed(2)} ms when each is filled up to the largest: ` +
    `packing is ${ratio.toFixed(1)} times as fast`;
}

function nextSteps(folder: string): string[] {
  return [
    `deno task train navit --resume ${folder} --steps 5000`,
    `deno task eval navit --checkpoint ${folder} --robustness --probe --results-file report.html`,
    "deno task train navit --data-path FOLDER --holdout 0.2   (one sub-folder a class)",
    "deno task bench packing",
  ];
}
