/**
 * `tessera bench conditioning`: from flags to runs, table and chart.
 *
 * @module
 */
import { join } from "@std/path";
import { makeFolder } from "../../formats/files/folder.ts";
import { renderReport } from "../../bench/runner/report.ts";
import { InputError } from "../../base/errors.ts";
import { describeMachine } from "../../base/machine.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import type { Column } from "../../formats/text/table.ts";
import type { Device } from "../../kernels/device.ts";
import { selectDevice } from "../../kernels/select_device.ts";
import { type Conditioning, conditionings } from "../../models/dit/blocks.ts";
import { ditFamily } from "../../models/dit/family.ts";
import { describeDiT } from "../../models/dit/graph.ts";
import type { DiTConfig } from "../../models/dit/model.ts";
import type { DiTRun, DiTSettings } from "../../models/dit/settings.ts";
import type { RunPlan } from "../../training/runs/run.ts";
import { readManifestOf } from "../../training/checkpoints/manifest.ts";
import { type Metrics, readMetrics } from "../../training/runs/metrics.ts";
import { latestCheckpoint } from "../../training/runs/run_folder.ts";
import { destroyState } from "../../training/step/trainer.ts";
import { plotRuns } from "../commands/plot_runs.ts";
import { ditTraining } from "../families/dit/train.ts";
import type { PlannedRun } from "../families/training.ts";
import { planNewRun, titleOf } from "../runs/prepare.ts";
import type { Io } from "../terminal/io.ts";
import { watchSignals } from "../terminal/signals.ts";
import { versions } from "../terminal/version.ts";
import type { ConditioningOptions } from "./conditioning_flags.ts";

/** What became of a design. */
interface ConditioningRow {
  readonly design: Conditioning;
  readonly parameters: number;
  /** Of a forward pass of one picture. */
  readonly multiplyAdds: number;
  readonly steps: number;
  /** Mean over the last tenth of the run. */
  readonly loss: number;
  /** FID, or the Frechet distance by another network, at the last evaluation. */
  readonly frechet: number | undefined;
}

/** Training at one rate for all designs: the lowest of those that suit each. */
const studiedTraining: typeof ditTraining = {
  ...ditTraining,
  learningRate: (config) =>
    Math.min(
      ...conditionings.map((conditioning) => ditTraining.learningRate({ ...config, conditioning })),
    ),
};

/** Runs the study. */
export async function runConditioning(
  io: Io,
  values: ConditioningOptions,
  given: ReadonlySet<string>,
): Promise<void> {
  const planned = await planNewRun(io, studiedTraining, { values, given });
  planned.notes.forEach((note) => io.tell(note));
  const { device } = await selectDevice({ ...values, batchInvariant: true });
  using watch = watchSignals(io, "finishing this step and saving");
  const [rows, folders]: [ConditioningRow[], string[]] = [[], []];
  try {
    for (const design of conditionings) {
      if (!values.quiet) io.tell(`${design}: training ...`);
      const plan = planOf(planned.plan, design, values.resultsDir);
      await train(io, device, planned, plan, watch.signal);
      watch.signal.throwIfAborted();
      rows.push(rowOf(design, plan.description.config, await readMetrics(plan.folder)));
      folders.push(plan.folder);
    }
  } finally {
    device.close();
  }
  if (values.out !== undefined) {
    const isPage = /\.html$/i.test(values.out);
    const measure = isPage ? undefined : [await frechetName(folders[0]) ?? "loss"];
    await plotRuns(io, { out: values.out, measure }, folders);
  }
  io.out(renderReport(
    {
      machine: await describeMachine(versions()),
      columns,
      rows,
      notes: [
        `${titleOf(values)} on ${planned.data.length} pictures: equal steps, batches, noise and ` +
        "seeds; the loss is the mean over the last tenth of the run.",
      ],
    },
    "table",
  ));
}

/** The run of a design, in a folder of its own. */
function planOf(
  plan: Omit<RunPlan<DiTRun>, "folder">,
  conditioning: Conditioning,
  parent: string,
): RunPlan<DiTRun> & { readonly folder: string } {
  const { description } = plan;
  return {
    ...plan,
    description: { ...description, config: { ...description.config, conditioning } },
    folder: join(parent, conditioning),
  };
}

/** Trains a run, or what is left of it. */
async function train(
  io: Io,
  device: Device,
  { data, heldOut }: PlannedRun<DiTConfig, DiTSettings, ImageDataset>,
  plan: RunPlan<DiTRun> & { readonly folder: string },
  signal: AbortSignal,
): Promise<void> {
  await makeFolder(plan.folder);
  const checkpoint = await latestCheckpoint(plan.folder);
  if (checkpoint !== undefined) await requireSame(checkpoint, plan.description);
  const start = checkpoint === undefined
    ? { from: "seed" } as const
    : { from: "resume", checkpoint } as const;
  const events = { signal, warning: (line: string) => io.tell(line) };
  const trainer = await ditTraining.train(device, data, { ...plan, start }, events, heldOut);
  trainer.destroy();
  destroyState(trainer.state);
}

/** Refuses to go on with a run of other settings, whose steps would be mixed with those of this one. */
async function requireSame(checkpoint: string, planned: DiTRun): Promise<void> {
  const found = await readManifestOf(ditFamily, checkpoint);
  // Checked fields are in the order of the schema.
  const told = ({ config, run, dataFingerprint }: DiTRun): string =>
    JSON.stringify([ditFamily.check(config, checkpoint), run, dataFingerprint]);
  if (told(found) === told(planned)) return;
  throw new InputError(
    `${checkpoint}: is of a run with other settings or pictures; give another --results-dir`,
  );
}

function rowOf(
  design: Conditioning,
  config: DiTConfig,
  metrics: readonly Metrics[],
): ConditioningRow {
  const { parameters, multiplyAdds } = describeDiT(config);
  const losses = metrics.flatMap(({ loss }) => loss ?? []);
  const last = losses.slice(-Math.ceil(losses.length / 10));
  const steps = metrics.at(-1)!.step;
  const loss = last.reduce((sum, value) => sum + value, 0) / last.length;
  const measured = metrics.findLast((line) => frechetOf(line) !== undefined);
  const frechet = measured && measured[frechetOf(measured)!] as number;
  return { design, parameters, multiplyAdds, steps, loss, frechet };
}

/** What an evaluation calls the distance that it measures. */
const frechetOf = (line: Metrics): string | undefined =>
  ["evalFid", "evalFrechetDistance"].find((name) => line[name] !== undefined);

async function frechetName(folder: string): Promise<string | undefined> {
  return (await readMetrics(folder)).map(frechetOf).find((name) => name !== undefined);
}

const columns: readonly Column<ConditioningRow>[] = [
  { title: "design", value: ({ design }) => design },
  { title: "parameters", value: ({ parameters }) => parameters },
  { title: "MACs", value: ({ multiplyAdds }) => multiplyAdds },
  { title: "steps", value: ({ steps }) => steps },
  { title: "loss", value: ({ loss }) => loss, digits: 4 },
  { title: "Frechet distance", value: ({ frechet }) => frechet, digits: 2 },
];
