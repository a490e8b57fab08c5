/**
 * Measures every figure that Tessera's speed on the CPU is judged by, each beside those it is compared
 * with, in turns, and prints a table of targets and what was measured.
 *
 *     deno run --no-lock -A bench/peers/figures.ts --out figures.json --minutes 18
 *
 * What has been measured is in the file after every figure; the same command goes on from there.
 *
 * @module
 */
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  type Answer,
  compete,
  Contestant,
  type Limits,
  median,
  ratios,
  type Request,
  type Result,
  tool,
  type Turn,
} from "./contestants.ts";

const HELP = `Measures the figures that Tessera's speed on the CPU is judged by.

  deno run --no-lock -A bench/peers/figures.ts --out FILE [options]

  --out FILE      where results are kept; what it holds is not measured again
  --minutes N     time for the figures that are not in the file (default 18)
  --only A,B      only figures whose names contain one of these; the CausalTokenizer,
                  which takes minutes each time, only where it is named
  --threads N     CPU threads (default: all ${navigator.hardwareConcurrency})
  --before DIR    another checkout, whose start is timed beside this one's
  --python P      Python interpreter with torch (default python3)
  --table         print the table of what the file holds
  --help          this text

Ratios are peer time / Tessera time: above 1, Tessera is faster.`;

// ---------------------------------------------------------------------------------------------
// Figures
// ---------------------------------------------------------------------------------------------

/** Least ratios of times, by contestant; 0 where only the number is wanted. */
type Targets = Record<string, number>;

/** One figure. */
interface Figure {
  name: string;
  targets: Targets;
  /** Its part of the time; 0: takes the time it takes, and is only measured where it is asked for. */
  weight: number;
  measure(setting: Setting): Promise<Measured>;
}

/** How figures are measured. */
interface Setting {
  threads: number;
  python: string;
  before?: string;
  seconds: number;
}

/** What came out, by contestant. */
interface Measured {
  /** What the numbers are. */
  unit: "ms" | "MiB";
  results: Result[];
  /** What Tessera says of its device. */
  device?: string;
}

const PYTORCH = ["pytorch", "pytorch-avx2"];

/** Contestants that are asked the same, each in a process of its own that lives for one figure. */
function race(
  name: string,
  weight: number,
  targets: Targets,
  request: Request,
  limits: Partial<Limits> = {},
): Figure {
  const measure = async ({ threads, python, seconds }: Setting): Promise<Measured> => {
    const names = ["tessera", ...Object.keys(targets)];
    return await withContestants(names, python, async (contestants) => {
      const asked = { device: "wasm", threads, ...request };
      const turns = contestants.map((c): Turn => ({ name: c.name, contestant: c, request: asked }));
      const results = await compete(turns, { rounds: 1000, repeat: 3, seconds, ...limits });
      const { detail } = await contestants[0].ask({ op: "info" });
      return { unit: "ms", results, device: detail };
    });
  };
  return { name, weight, targets, measure };
}

async function withContestants<T>(
  names: readonly string[],
  python: string,
  body: (contestants: Contestant[]) => Promise<T>,
): Promise<T> {
  const contestants = names.map((name) => new Contestant(name, python));
  try {
    return await body(contestants);
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.close()));
  }
}

/** Half of an autoencoder. Its process holds one half only: two do not fit into WebAssembly's memory. */
const coding = (name: string, request: Request, rounds: number, weight: number): Figure =>
  race(name, weight, { pytorch: 0.8 }, request, { rounds, repeat: 1, untimed: false });

/** Tessera on all threads beside itself on one. */
function scaling(name: string, request: Request): Figure {
  const measure = async ({ threads, python, seconds }: Setting): Promise<Measured> =>
    await withContestants(["tessera"], python, async ([contestant]) => {
      const turn = (label: string, count: number): Turn => ({
        name: label,
        contestant,
        request: { device: "wasm", ...request, threads: count },
      });
      const turns = [turn("tessera", threads), turn("one thread", 1)];
      return { unit: "ms", results: await compete(turns, { rounds: 1000, repeat: 2, seconds }) };
    });
  return { name, weight: 3, targets: { "one thread": 1.85 }, measure };
}

/** Peak memory of processes that did nothing but training steps. */
function memory(name: string, request: Request): Figure {
  const peak = async (contestant: Contestant, threads: number): Promise<Result> => {
    const asked = { device: "wasm", threads, ...request };
    let answer: Answer = {};
    for (let step = 0; step < 3 && !answer.error; step++) answer = await contestant.ask(asked);
    const { bytes, error = answer.error } = await contestant.ask({ op: "memory" });
    return { contestant: contestant.name, samples: [(bytes ?? NaN) / 2 ** 20], error };
  };
  const measure = async ({ threads, python }: Setting): Promise<Measured> =>
    await withContestants(["tessera", "pytorch"], python, async (contestants) => {
      const results: Result[] = [];
      for (const contestant of contestants) results.push(await peak(contestant, threads));
      return { unit: "MiB", results: results.map(summed) };
    });
  return { name, weight: 1, targets: { pytorch: 1 }, measure };
}

/** The first training step of a process beside its tenth. */
const firstStep: Figure = {
  name: "first training step of DiT-S/8, beside the tenth",
  weight: 1.5,
  targets: { tenth: 0.1 },
  measure: async ({ threads, python, seconds }) => {
    const [first, tenth] = [[], []] as [number[], number[]];
    for (const start = performance.now(); performance.now() - start < 1000 * seconds;) {
      const answer = await withContestants(
        ["tessera"],
        python,
        ([contestant]) => contestant.ask({ op: "start", device: "wasm", threads }),
      );
      if (answer.error) throw new Error(answer.error);
      first.push(answer.milliseconds!);
      tenth.push(answer.last!);
    }
    const results = [
      { contestant: "tessera", samples: first },
      { contestant: "tenth", samples: tenth },
    ];
    return { unit: "ms", results: results.map(summed) };
  },
};

/** The whole process of a command that opens the device. */
const startUp: Figure = {
  name: "start-up: info devices",
  weight: 1,
  targets: { before: 1 },
  measure: async ({ before, seconds }) => {
    const folders = [["tessera", fileURLToPath(new URL("../../", import.meta.url))]];
    if (before) folders.push(["before", before]);
    const results: Result[] = folders.map(([contestant]) => ({ contestant, samples: [] }));
    for (const start = performance.now(); performance.now() - start < 1000 * seconds;) {
      for (const [index, [, cwd]] of folders.entries()) {
        const { command, args } = tool("info", "devices");
        const begun = performance.now();
        const { success } = await new Deno.Command(command, { args, cwd, stdout: "null" }).output();
        if (!success) results[index].error = "info devices failed";
        results[index].samples.push(performance.now() - begun);
      }
    }
    return { unit: "ms", results: results.map(summed) };
  },
};

function summed(result: Result): Result {
  if (result.error) return result;
  return { ...result, median: median(result.samples), best: Math.min(...result.samples) };
}

/** Grids of pictures with 25 to 196 patches: logarithms of areas evenly spread, 3:4 to 4:3. */
const mixedGrids = Array.from({ length: 8 }, (_, i) => {
  const [side, stretch] = [14 * 8 ** (-i / 14), Math.sqrt([1, 4 / 3, 3 / 4][i % 3])];
  return [Math.round(side * stretch), Math.round(side / stretch)];
});

const model = (name: string, op: "forward" | "train", batch: number): Request => ({
  op,
  model: name,
  batch,
});
const against = (least: number, others: Targets = {}): Targets => ({
  ...Object.fromEntries(PYTORCH.map((peer) => [peer, peer === "pytorch" ? least : 1.3])),
  ...others,
});

const figures: readonly Figure[] = [
  race(
    "DiT-S/8 forward, batch 8",
    5,
    against(1.5, { "onnxruntime": 1.1, "jax-js": 4 }),
    model("DiT-S/8", "forward", 8),
  ),
  race(
    "DiT-S/4 forward, batch 8",
    7,
    against(1.5, { "onnxruntime": 1.1, "jax-js": 4 }),
    model("DiT-S/4", "forward", 8),
  ),
  race("DiT-S/8 training step, batch 8", 5, against(1.4), model("DiT-S/8", "train", 8)),
  race("DiT-S/4 training step, batch 8", 7, against(1.3), model("DiT-S/4", "train", 8)),
  race("DiT-B/4 forward, batch 4", 5, against(1.3), model("DiT-B/4", "forward", 4), { repeat: 1 }),
  race("DiT-B/4 training step, batch 4", 8, against(1.1), model("DiT-B/4", "train", 4), {
    repeat: 1,
  }),
  race("WALT-S forward, batch 2", 6, against(1.1), model("WALT-S", "forward", 2), { repeat: 1 }),
  race("WALT-S training step, batch 2", 9, against(1), model("WALT-S", "train", 2), { repeat: 1 }),
  race(
    "NaViT-B/16, mixed pictures, packed against padded",
    6,
    against(1.5),
    { op: "pictures", model: "NaViT-B/16", grids: mixedGrids },
    { repeat: 1 },
  ),
  race("product 512^3", 2, against(1, { "jax-js": 4 }), { op: "product", size: 512 }),
  ...[[512, 1536, 384], [2048, 1152, 384], [512, 384, 1536]].map(([m, n, k]) =>
    race(`product ${m} x ${n} x ${k}`, 1.5, against(1), { op: "product", m, n, k })
  ),
  ...[64, 256].map((tokens) =>
    race(`attention, 8 x ${tokens} tokens, 6 heads of 64`, 2, against(1.2), {
      op: "attention",
      tokens,
    })
  ),
  race("attention gradient, 8 x 256 tokens, 6 heads of 64", 2, against(1.2), {
    op: "attention",
    tokens: 256,
    pass: "gradient",
  }),
  ...["encode", "decode"].flatMap((op) => [
    coding(`SD-VAE ${op}, 512 x 512`, { op, model: "SD-VAE", size: 512 }, 3, 6),
    coding(
      `CausalTokenizer ${op}, 17 x 256 x 256`,
      { op, model: "CausalTokenizer", size: 256, frames: 17 },
      1,
      0,
    ),
  ]),
  scaling("DiT-S/4 forward on two threads", model("DiT-S/4", "forward", 8)),
  scaling("DiT-S/8 training step on two threads", model("DiT-S/8", "train", 8)),
  memory("peak memory of DiT-S/8 training steps", model("DiT-S/8", "train", 8)),
  memory("peak memory of DiT-S/4 training steps", model("DiT-S/4", "train", 8)),
  startUp,
  firstStep,
];

// ---------------------------------------------------------------------------------------------
// Results
// ---------------------------------------------------------------------------------------------

/** What the file holds. */
interface Report {
  machine: Record<string, unknown>;
  figures: Record<string, Measured & { load: number; seconds: number }>;
}

function thisMachine(): Record<string, unknown> {
  const { success, stdout } = new Deno.Command("git", {
    args: ["describe", "--always", "--dirty"],
    cwd: new URL("../../", import.meta.url),
  }).outputSync();
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: navigator.hardwareConcurrency,
    os: `${Deno.build.os} ${Deno.build.arch}`,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    commit: success ? new TextDecoder().decode(stdout).trim() : "unknown",
  };
}

function readReport(file: string): Report {
  try {
    return JSON.parse(Deno.readTextFileSync(file));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { machine: thisMachine(), figures: {} };
  }
}

function writeReport(file: string, report: Report): void {
  Deno.writeTextFileSync(`${file}.new`, JSON.stringify(report, null, 1));
  Deno.renameSync(`${file}.new`, file);
}

function table({ machine, figures: measured }: Report): string {
  const number = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? "-";
  const devices = new Set(Object.values(measured).flatMap(({ device }) => device ?? []));
  const lines = [
    Object.entries(machine).map(([name, value]) => `${name}: ${value}`).join(", "),
    ...devices,
    "",
    "| figure | beside | target | ratio of medians | of bests | Tessera | other | load |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
  ];
  for (const { name, targets } of figures) {
    const figure = measured[name];
    if (!figure) continue;
    const { unit, results, load } = figure;
    const own = results.find(({ contestant }) => contestant === "tessera");
    const time = (result?: Result) =>
      result?.error ??
        `${number(result?.median, 1)} (${number(result?.best, 1)}) ${unit}`;
    for (const [beside, target] of Object.entries(targets)) {
      const other = results.find(({ contestant }) => contestant === beside);
      const ratio = other ? ratios(other, own) : {};
      const met = ratio.median === undefined ? "" : ratio.median >= target ? "" : " missed";
      const cells = [name, beside, `${target}${met}`, number(ratio.median, 2)];
      cells.push(number(ratio.best, 2), time(own), other ? time(other) : "-", number(load, 1));
      lines.push(`| ${cells.join(" | ")} |`);
    }
  }
  return lines.join("\n");
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      out: { type: "string" },
      minutes: { type: "string", default: "18" },
      only: { type: "string", default: "" },
      threads: { type: "string", default: String(navigator.hardwareConcurrency) },
      before: { type: "string" },
      python: { type: "string", default: "python3" },
      table: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [minutes, threads] = [Number(values.minutes), Number(values.threads)];
  if (!values.out || !(minutes > 0) || !(threads >= 1)) {
    console.error(`${HELP}\n\n--out is needed, --minutes and --threads are positive numbers`);
    return 2;
  }
  const report = readReport(values.out);
  const parts = values.only.split(",");
  const chosen = figures.filter(({ name, weight }) =>
    parts.some((part) => name.includes(part) && (part !== "" || weight > 0))
  );
  const due = values.table ? [] : chosen.filter(({ name }) => !report.figures[name]);
  const end = performance.now() + 60_000 * minutes;
  for (const [index, { name, weight, measure }] of due.entries()) {
    console.error(`${name} ...`);
    const weights = due.slice(index).reduce((sum, figure) => sum + figure.weight, 0);
    const begun = performance.now();
    const seconds = Math.max(0, end - begun) / 1000 * weight / Math.max(weights, 1);
    const load = loadavg()[0];
    const { python, before } = values;
    const measured = await measure({ threads, python, before, seconds });
    const took = (performance.now() - begun) / 1000;
    report.figures[name] = { ...measured, load, seconds: took };
    writeReport(values.out, report);
  }
  console.log(table(report));
  return 0;
}

if (import.meta.main) Deno.exit(await main());
