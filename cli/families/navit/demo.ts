/**
 * The demo of NaViT, step by step: device, training on pictures of mixed sizes, accuracy against
 * tokens, packed against padded.
 *
 * @module
 */
import { join } from "@std/path";
import { accuracyTokensChart } from "../../../evaluation/charts/accuracy_tokens.ts";
import { evaluateNaViT } from "../../../models/navit/evaluation/evaluation.ts";
import { settingColumns } from "../../../evaluation/report/columns.ts";
import { renderEvaluation } from "../../../evaluation/report/render.ts";
import type { EvaluationReport, SettingRow } from "../../../evaluation/report/report.ts";
import { writeBytesAtomically, writeTextAtomically } from "../../../formats/files/atomic_file.ts";
import { svgToPng } from "../../../formats/pictures/bitmap.ts";
import { describeMachine } from "../../../base/machine.ts";
import { renderChart } from "../../../formats/plots/render.ts";
import { alignedTable } from "../../../formats/text/table.ts";
import type { Device } from "../../../kernels/device.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import type { NaViTConfig } from "../../../models/navit/model.ts";
import type { NaViTSettings } from "../../../models/navit/settings.ts";
import { findNaViT } from "../../../models/navit/weights.ts";
import type { DemoOptions } from "../../commands/demo_flags.ts";
import { type Demo, say } from "../../runs/demo.ts";
import { evaluatedModel } from "./eval.ts";
import { parseFlags } from "../../flags/flags.ts";
import type { Io } from "../../terminal/io.ts";
import { openPictureSet } from "../../../data/open.ts";
import { placeOf } from "../../runs/prepare.ts";
import { navitTraining } from "./train.ts";
import { navitTrainFlags, type TrainNaViTOptions } from "./train_flags.ts";
import { versions } from "../../terminal/version.ts";

/** Numbers of tokens at which the model is evaluated. */
const budgets = [4, 9, 16, 25, 36, 64, 100];

/** The demo: pictures a little smaller than they are, so that many are seen. */
export const navitDemo: Demo<TrainNaViTOptions, NaViTConfig, NaViTSettings, PictureSet> = {
  training: navitTraining,
  parse: (args) => parseFlags(navitTrainFlags, args),
  trainingFlags: [
    ...["--resolution", "24:64", "--token-drop", "beta:0.2:0.6"],
    ...["--batch-size", "8", "--sequence-length", "128", "--images-per-sequence", "32"],
    ...["--lr-schedule", "constant", "--lr", "1.5e-3", "--warmup", "30", "--flip"],
    ...["--head-weight-decay", "0.03", "--ema-decay", "0.99", "--log-every", "20"],
  ],
  data: "pictures of mixed sizes",
  async show(io, options, device, folder) {
    say(io, "3. Evaluating on pictures it has not seen, at several numbers of tokens");
    const report = await evaluate(io, options, device, folder);
    io.out(alignedTable(settingColumns, report.settings));
    say(io, `   ${packingGain(report.settings)}`);
    const [plot, page] = [join(folder, "accuracy.png"), join(folder, "report.html")];
    const chart = accuracyTokensChart(report.settings.filter(({ kind }) => kind === "tokens"));
    await writeBytesAtomically(plot, await svgToPng(await renderChart(chart)));
    await writeTextAtomically(page, await renderEvaluation(report, "html"));
    return [["accuracy against tokens", plot], ["report with all plots", page]];
  },
  nextSteps: (folder) => [
    `deno task train navit --resume ${folder} --steps 5000`,
    `deno task eval navit --ckpt ${folder} --robustness --probe --out report.html`,
    "deno task train navit --data-path FOLDER --holdout 0.2   (one sub-folder a class)",
    "deno task bench packing",
  ],
};

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
