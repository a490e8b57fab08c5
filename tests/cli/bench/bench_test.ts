import assert from "node:assert/strict";
import { main } from "../../../cli/main.ts";
import { scratchBytes } from "../../../kernels/wasm/memory.ts";
import { paint } from "../../data/helpers.ts";
import { start } from "../runs.ts";
import { recordedIo, runTessera, taskPermissions } from "../support.ts";

async function run(...args: string[]) {
  const io = recordedIo();
  return { code: await main(["bench", ...args], io), ...io.written };
}

/** A model that is timed in no time. */
const tiny = ["--model=DiT-XS/8", "--depth=1", "--hidden=16", "--heads=2", "--num-classes=3"];

Deno.test("bench flops --json has the exact numbers of the paper's models", async () => {
  const { code, out, err } = await run("flops", "--model", "DiT-S/8,DiT-XL/2", "--json");
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  const { machine, rows, notes } = JSON.parse(out);
  assert.equal(machine.deno, Deno.version.deno);
  assert(notes.length > 0);
  const numbers = rows.map((
    { model, parameters, tokens, macs, flops, paperGflops }: Row,
  ) => [model, parameters, tokens, macs, flops, paperGflops]);
  assert.deepEqual(numbers, [
    ["DiT-S/8", 33_148_160, 16, 357_974_016, 715_948_032, 0.36],
    ["DiT-XL/2", 675_129_632, 256, 118_621_421_568, 237_242_843_136, 118.64],
  ]);
});

type Row = Record<string, unknown>;

Deno.test("bench flops lists every model, with a line a model in every format", async () => {
  const { ditConfigs } = await import("../../../models/dit/model.ts");
  for (const format of ["table", "md", "csv", "json", "jsonl"]) {
    const { code, out } = await run("flops", "--format", format);
    assert.equal(code, 0);
    for (const name of ditConfigs.keys()) assert(out.includes(name), `${format}: ${name}`);
  }
  assert.match(
    (await run("flops", "--format", "md")).out,
    /\| DiT-L\/4 \| 458,053,760 \| 64 \| 19,695,665,152 \|/,
  );
});

Deno.test("bench flops counts NaViT at several numbers of tokens, beside the specification", async () => {
  const { code, out } = await run("flops", "--model=navit-b/16,DiT-S/8", "--json");
  assert.equal(code, 0);
  const rows: Row[] = JSON.parse(out).rows;
  assert.deepEqual(
    rows.map((
      { model, tokens, specificationGmacs, paperGflops },
    ) => [model, tokens, specificationGmacs ?? paperGflops]),
    [["NaViT-B/16", 64, 5.63], ["NaViT-B/16", 256, 23.41], ["NaViT-B/16", 1024, 108.12], [
      "DiT-S/8",
      16,
      0.36,
    ]],
  );
  for (const { difference } of rows.slice(0, 3)) assert(Math.abs(difference as number) < 1e-3);
  const asked = await run("flops", "--model=NaViT-XS/16", "--tokens=9,4", "--train", "--json");
  const [nine, four]: Row[] = JSON.parse(asked.out).rows;
  assert.deepEqual([nine.tokens, four.tokens], [9, 4]);
  assert((nine.trainMacs as number) > 2.5 * (nine.macs as number));
  const square = await run("flops", "--model=NaViT-XS/16", "--image-size=32", "--json");
  assert.deepEqual(JSON.parse(square.out).rows, [(({ trainMacs: _, ...rest }) => rest)(four)]);
  const detail = await run("flops", "--model=NaViT-XS/16", "--tokens=4", "--detail");
  assert.match(detail.out, /^NaViT-XS\/16 +blocks\.\*\.mlp\.fc1 +6 +1,572,864 /m);
});

Deno.test("bench flops --tokens lists NaViT only", async () => {
  const { out } = await run("flops", "--tokens=16", "--json");
  const rows: Row[] = JSON.parse(out).rows;
  assert(rows.length >= 13);
  for (const { model, tokens } of rows) assert(`${model}`.startsWith("NaViT-") && tokens === 16);
});

Deno.test("bench flops takes overrides and says which", async () => {
  const { out } = await run("flops", "--model=dit-xl/2", "--image-size=64", "--json");
  const [row] = JSON.parse(out).rows;
  assert.equal(row.model, "DiT-XL/2 inputSize=64");
  assert.equal(row.macs, 524_538_298_368);
  assert.equal(row.paperGflops, 524.6);
});

Deno.test("bench flops --detail --train shows parts and the step", async () => {
  const detail = await run("flops", "--model=DiT-S/8", "--detail");
  assert.match(detail.out, /^DiT-S\/8 +blocks\.\*\.mlp\.fc1 +12 +113,246,208 /m);
  const { out } = await run("flops", "--model=DiT-S/8", "--train", "--json");
  const [{ trainMacs, macs }] = JSON.parse(out).rows;
  assert(trainMacs > 2.9 * macs && trainMacs < 3.1 * macs);
});

Deno.test("bench flops --out writes the file and nothing on stdout", async () => {
  const path = await Deno.makeTempFile({ suffix: ".csv" });
  try {
    const { code, out } = await run("flops", "--model=DiT-S/8", "--format", "csv", "--out", path);
    assert.deepEqual({ code, out }, { code: 0, out: "" });
    assert.match(await Deno.readTextFile(path), /^model,parameters,.*\r\nDiT-S\/8,33148160,/);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("results that cannot be written where --out says are on stdout", async () => {
  const { code, out, err } = await run("flops", "--model=DiT-S/8", "--format", "csv", "--out", ".");
  assert.equal(code, 1);
  assert.match(err, /\.: is a folder; give the name of a file/);
  assert.match(out, /^model,parameters,.*\r\nDiT-S\/8,33148160,/);
});

Deno.test("bench flops takes a config file", async () => {
  const { code, out } = await run(
    "flops",
    "--config=tests/fixtures/dit-pixel.config.json",
    "--json",
  );
  assert.equal(code, 0);
  assert.equal(JSON.parse(out).rows[0].model, "tests/fixtures/dit-pixel.config.json");
});

Deno.test("bench throughput --json: one document, whole rows, with the task's permissions", async () => {
  const { code, out, err } = await runTessera([
    ...["bench", "throughput", "--ops=forward,train,train-plain", "--batch-size=1,2", ...tiny],
    ...["--device=wasm", "--threads=1", "-r", "2", "--json"],
  ]);
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  const { machine, rows, notes } = JSON.parse(out);
  assert.match(notes.at(-1), /; (?:128|256)-bit: .* times the speed/);
  assert.notEqual(machine.cpu, "unknown processor");
  assert.equal(rows.length, 6);
  for (const row of rows) {
    assert.equal(row.status, "ok");
    assert([128, 256].includes(row.vectors.bits));
    assert.match(row.vectors.reason, /times the speed/);
    assert.equal(row.samples.length, 2);
    assert.equal(row.dtype, "f32");
    assert(row.gflopsPerSecond > 0 && row.imagesPerSecond > 0 && row.peakBytes > 0);
    assert(row.warmUp.milliseconds >= 300);
  }
});

Deno.test("bench throughput sweeps how weights are stored, and half of them take half the memory", async () => {
  // One block this wide has 9 MB of weights and next to nothing else.
  const wide = ["--model=DiT-XS/8", "--depth=1", "--hidden=384", "--heads=6", "--num-classes=3"];
  const { code, out } = await run(
    ...["throughput", "--ops=forward", "--dtype=f32,f16", "--batch-size=1,2", ...wide],
    ...["--device=wasm", "--threads=1", "-r", "1", "--json"],
  );
  assert.equal(code, 0);
  const rows: { dtype: string; batch: number; peakBytes: number; macs: number }[] =
    JSON.parse(out).rows;
  assert.deepEqual(
    rows.map(({ dtype, batch }) => [dtype, batch]),
    [["f32", 1], ["f16", 1], ["f32", 2], ["f16", 2]],
  );
  const [single, half] = rows.map(({ peakBytes }) => peakBytes - scratchBytes);
  assert(half > 0.5 * single && half < 0.6 * single, `${half} of ${single} bytes`);
  assert.equal(rows[0].macs, rows[1].macs);
});

Deno.test("bench throughput measures NaViT and DiT in one sweep", async () => {
  const navit = ["--model=NaViT-XS/16,DiT-XS/8", ...tiny.slice(1)];
  const { code, out } = await run(
    ...[
      "throughput",
      ...navit,
      "--batch-size=2",
      "--device=wasm",
      "--threads=1",
      "-r",
      "1",
      "--json",
    ],
  );
  assert.equal(code, 0);
  const rows: Row[] = JSON.parse(out).rows;
  assert.deepEqual(
    rows.map(({ operation, tokens, status }) => [operation, tokens, status]),
    [["forward", 196, "ok"], ["forward", 16, "ok"], ["train", 196, "ok"], ["train", 16, "ok"]],
  );
});

/** A model and pictures that are laid out and timed in no time. */
const tinyPacking = [
  ...["packing", "--model=NaViT-XS/4", "--patch=2", "--channels=1", ...tiny.slice(1)],
  ...["--tokens=16", "--batch-size=3", "--device=wasm", "--threads=1", "-r", "2"],
];

Deno.test("bench packing --json: packed and padded of every spread and operation", async () => {
  const { code, out, err } = await runTessera([
    ...["bench", ...tinyPacking, "--spread=1,16", "--json"],
  ]);
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  const { rows, notes } = JSON.parse(out);
  assert.match(notes[0], /longest of the whole set/);
  assert.deepEqual(
    rows.map(({ spread, operation, status }: Row) => [spread, operation, status]),
    [[1, "forward", "ok"], [1, "train", "ok"], [16, "forward", "ok"], [16, "train", "ok"]],
  );
  for (const { packed, padded, ratio, fillRates } of rows) {
    assert.equal(ratio, packed.imagesPerSecond / padded.imagesPerSecond);
    assert.equal(packed.samples.length, 2);
    assert(fillRates.packed >= fillRates.padded);
  }
  assert(rows[3].fillRates.padded < 0.6 && rows[3].fillRates.packed > 0.7);
});

Deno.test("bench packing takes a folder of pictures", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/grey`);
    for (const [width, height] of [[8, 8], [24, 6], [6, 12]]) {
      await paint(`${folder}/grey/${width}.png`, width, width, height);
    }
    const { code, out } = await run(
      ...[...tinyPacking, "--data-path", folder, "--ops=forward", "--format", "md"],
    );
    assert.equal(code, 0);
    const table = out.split("\n").filter((line) => line.startsWith("|"));
    assert.equal(table.length, 3);
    assert.match(table[2], /^\| forward \| NaViT-XS\/4 patch=2 .*\| ok \|$/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("bench product measures lists of sizes", async () => {
  const { code, out } = await run(
    ...["product", "--size=32,16x64x8", "--device=wasm", "--threads=1,2", "-r", "1", "--json"],
  );
  assert.equal(code, 0);
  const rows: Row[] = JSON.parse(out).rows;
  assert.deepEqual(
    rows.map(({ subject, threads, macs }) => [subject, threads, macs]),
    [["32x32x32", 1, 32768], ["32x32x32", 2, 32768], ["16x64x8", 1, 8192], ["16x64x8", 2, 8192]],
  );
});

Deno.test("bench convolution measures layers, causal along time", async () => {
  const { code, out } = await run(
    ...["convolution", "--layers=3x1x2:2-3@4x5x6,norm-silu:64-64@3x2", "--device=wasm"],
    ...["--threads=1", "-r", "1", "--json"],
  );
  assert.equal(code, 0);
  const rows: Row[] = JSON.parse(out).rows;
  const macs = 3 * 1 * 2 * 2 * 3 * 4 * 5 * 6;
  assert.deepEqual(
    rows.map(({ operation, subject, macs }) => [operation, subject, macs]),
    [
      ["forward", "3x1x2:2-3@4x5x6", macs],
      ["gradient", "3x1x2:2-3@4x5x6", 2 * macs],
      ["forward", "norm-silu:64-64@3x2", 0],
      ["gradient", "norm-silu:64-64@3x2", 0],
    ],
  );
});

Deno.test("bench attention counts the pairs that see each other", async () => {
  const { code, out } = await run(
    ...["attention", "--tokens=10", "--images=1,3", "--heads=2", "--width=8", "--device=wasm"],
    ...["--threads=1", "-r", "1", "--json"],
  );
  assert.equal(code, 0);
  const rows: Row[] = JSON.parse(out).rows;
  // Two products forward, five backward; three images of 4, 3 and 3 tokens.
  const [full, packed] = [2 * 8 * 10 ** 2, 2 * 8 * (16 + 9 + 9)];
  assert.deepEqual(
    rows.map(({ operation, subject, macs }) => [operation, subject, macs]),
    [
      ["forward", "10 / 1, 2 x 8", 2 * full],
      ["gradient", "10 / 1, 2 x 8", 7 * full],
      ["forward", "10 / 3, 2 x 8", 2 * packed],
      ["gradient", "10 / 3, 2 x 8", 7 * packed],
    ],
  );
  for (const { tokensPerSecond } of rows) assert(Number(tokensPerSecond) > 0);
});

Deno.test("bench attention times windows without and with relative biases", async () => {
  const { code, out } = await run(
    ...["attention", "--windows=3x4,2x2x2", "--heads=2", "--width=8", "--device=wasm"],
    ...["--threads=1", "-r", "1", "--json"],
  );
  assert.equal(code, 0);
  const rows: Row[] = JSON.parse(out).rows;
  const products = (tokens: number) => 2 * 8 * tokens ** 2;
  assert.deepEqual(
    rows.map(({ operation, subject, macs }) => [operation, subject, macs]),
    [
      ["forward", "12 / 1, 2 x 8", 2 * products(12)],
      ["gradient", "12 / 1, 2 x 8", 7 * products(12)],
      ["forward", "12 / 1 + biases of 3x4, 2 x 8", 2 * products(12)],
      ["gradient", "12 / 1 + biases of 3x4, 2 x 8", 7 * products(12)],
      ["forward", "8 / 1, 2 x 8", 2 * products(8)],
      ["gradient", "8 / 1, 2 x 8", 7 * products(8)],
      ["forward", "8 / 1 + biases of 2x2x2, 2 x 8", 2 * products(8)],
      ["gradient", "8 / 1 + biases of 2x2x2, 2 x 8", 7 * products(8)],
    ],
  );
});

Deno.test("a row that fails is in the report, the others too, and the exit code is 1", async () => {
  // Three matrices of 65536 x 65536 do not fit into 4 GB.
  const { code, out, err } = await run(
    ...["product", "--size=16,65536", "--device=wasm", "--threads=1", "-r", "1", "--json"],
  );
  assert.equal(code, 1);
  const [first, second] = JSON.parse(out).rows;
  assert.equal(first.status, "ok");
  assert.notEqual(second.status, "ok");
  assert(err.startsWith("tessera: 1 of 2 rows failed: "), err);
  assert.equal(err.split("\n").length, 2);
});

Deno.test("bench throughput --json without an adapter: stdout holds the document and nothing else", async () => {
  const args = [
    "bench",
    "throughput",
    "--ops=forward",
    "--batch-size=1",
    ...tiny,
    "-r",
    "1",
    "--json",
  ];
  // The backend of another system: wgpu finds no adapter then.
  const env = { DENO_WEBGPU_BACKEND: Deno.build.os === "windows" ? "metal" : "dx12" };
  const { code, out, err } = await start([...args, "--device=webgpu,wasm"], env).finished();
  assert.equal(code, 1);
  const [missing, measured] = JSON.parse(out).rows;
  assert.match(missing.status, /^no WebGPU adapter found/);
  assert.equal(measured.status, "ok");
  assert.match(err, /^tessera: 1 of 2 rows failed: no WebGPU adapter found; .*\n$/);
});

Deno.test("wrong command lines of bench end with exit code 2", async () => {
  const cases: [string[], RegExp][] = [
    [["flops", "--model", "DiT-S/3"], /unknown model DiT-S\/3; did you mean/],
    [
      ["flops", "--model=DiT-S/8", "--image-size=30"],
      /not divisible by the patch 8; nearest sides: 24 and 32/,
    ],
    [["flops", "--format", "xml"], /--format "xml" is not known/],
    [["throughput", "--ops", "forwad"], /did you mean forward\?/],
    [["throughput", "--device", "gpu"], /"gpu" is not known/],
    [["throughput", "--batch-size", "0"], /nearest valid value is 1/],
    [["throughput", "--dtype", "f64"], /"f64" is not known; .*f32 or f16/],
    [["throughput", "--dtype", "f32,f16"], /--dtype f16 is for --ops forward: training is in f32/],
    [["attention", "--tokens=9,8", "--images=9"], /--images 9: 8 tokens are at most 8 images/],
    [["attention", "--windows=2x2x2x2"], /--windows 2x2x2x2: give one to three sides/],
    [["product", "--size", "4x4"], /give one side, or m, n and k/],
    [["convolution", "--layers", "3x3:8-8@4"], /3x3:8-8@4: give KERNEL:INPUTS-OUTPUTS@SIZES/],
    [["convolution", "--layers", "norm:8-8@4x4"], /in 32 groups, norm:256-256@32x32/],
    [
      ["flops", "--model=DiT-S/8", "--tokens=9"],
      /--tokens is for models of any size, and DiT-S\/8 is a DiT/,
    ],
    [["flops", "--model=DiT-S/8", "--mlp=9", "--mlp-bias"], /--mlp, --mlp-bias: for NaViT only/],
    [["packing", "--model=DiT-S/8"], /DiT-S\/8 is a dit, not a navit/],
    [["packing", "--spread=0.5"], /--spread 0.5 is out of range: .*nearest valid value is 1/],
    [["packing", "--spread=4", "--data-path=x"], /--spread is for synthetic pictures/],
    [["packing", "--hidden=10", "--heads=4"], /not divisible by 4 heads; nearest widths: 8 and 12/],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await run(...args);
    assert.deepEqual({ code, out }, { code: 2, out: "" }, args.join(" "));
    assert.match(err, message);
  }
});

Deno.test("a config file that is missing or wrong ends with exit code 1", async () => {
  const { code, err } = await run("flops", "--config", "none.json");
  assert.deepEqual({ code, err }, { code: 1, err: "tessera: none.json: no such file\n" });
});

Deno.test("bench throughput --serve answers JSON lines until stdin closes", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...taskPermissions, "cli/main.ts", "bench", "throughput", "--serve"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const requests = ['{"op":"info"}', '{"op":"product","size":16,"threads":1}', '{"op":"memory"}'];
  await writer.write(new TextEncoder().encode(`${requests.join("\n")}\n`));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(code, 0);
  const answers = new TextDecoder().decode(stdout).trimEnd().split("\n").map((x) => JSON.parse(x));
  assert.deepEqual(answers.map((answer) => Object.keys(answer)[0]), [
    "name",
    "milliseconds",
    "bytes",
  ]);
});
