import assert from "node:assert/strict";
import { loadAttention } from "../../bench/workloads/attention.ts";
import { loadModelJob } from "../../bench/workloads/model.ts";
import { isMeasured } from "../../bench/runner/places.ts";
import { serve } from "../../bench/runner/serve.ts";
import {
  measureTask,
  modelTasks,
  productTasks,
  throughputColumns,
} from "../../bench/throughput.ts";
import { measureInTurns, timeRuns, warmUp } from "../../bench/runner/timing.ts";
import { loadProduct } from "../../bench/workloads/workload.ts";
import { ditConfigs } from "../../models/dit/model.ts";
import { navitConfigs } from "../../models/navit/model.ts";
import { eachDefaultDevice } from "../devices.ts";

const tiny = {
  name: "tiny",
  config: { ...ditConfigs.get("DiT-XS/8")!, depth: 1, hidden: 16, heads: 2, classes: 3 },
  tokens: 16,
};
const size = { depth: 1, hidden: 16, heads: 2, mlp: 24, classes: 3 };
const tinyNaViT = {
  name: "tiny NaViT",
  config: { ...navitConfigs.get("NaViT-XS/4")!, ...size },
  tokens: 7,
};
const place = { device: "wasm", threads: 1 } as const;

Deno.test("a measured row has everything", async () => {
  const [task] = modelTasks(["forward"], [tiny], [2], [place]);
  const row = await measureTask(task, 3);
  assert(isMeasured(row), row.status);
  assert.equal(row.samples.length, 3);
  assert.equal(row.tokens, 16);
  assert.equal(row.threads, 1);
  assert.equal(row.dtype, "f32");
  assert(row.warmUp.milliseconds >= 300 && row.warmUp.runs >= 3);
  assert(row.minimum <= row.median && row.peakBytes > 4 * row.parameters!);
  const seconds = row.median / 1000;
  assert(Math.abs(row.imagesPerSecond! - 2 / seconds) < 1e-6 * row.imagesPerSecond!);
  assert(Math.abs(row.tokensPerSecond! - 32 / seconds) < 1e-6 * row.tokensPerSecond!);
  assert(Math.abs(row.gflopsPerSecond - 2e-9 * row.macs / seconds) < 1e-6 * row.gflopsPerSecond);
  for (const { value, title } of throughputColumns("model", [row])) {
    assert.notEqual(value(row), undefined, title);
  }
});

Deno.test("lists make the full product", () => {
  const models = [tiny, { ...tiny, name: "other" }];
  const tasks = modelTasks(["forward", "train"], models, [1, 8], [place, { device: "webgpu" }]);
  assert.equal(tasks.length, 16);
  const halves = modelTasks(["forward"], models, [1], [place], ["f32", "f16"]);
  assert.deepEqual(halves.map(({ dtype }) => dtype), ["f32", "f16", "f32", "f16"]);
  assert.equal(
    productTasks([[1, 2, 3], [4, 5, 6]], [place]).map(({ subject }) => subject)[1],
    "4x5x6",
  );
});

Deno.test("a row that fails says why, and does not throw", async () => {
  const [task] = productTasks([[8, 8, 8]], [place]);
  const load = () => Promise.reject(new Error("no memory left"));
  const row = await measureTask({ ...task, load }, 1);
  assert.equal(row.status, "no memory left");
  assert(!isMeasured(row));
});

eachDefaultDevice("every operation of a model can be run again and again", async (device) => {
  const operations = ["forward", "train", "train-plain"] as const;
  const cases = [tiny, tinyNaViT].flatMap((subject) =>
    operations.map((operation) => [subject, operation] as const)
  );
  for (const [subject, operation] of cases) {
    const job = await loadModelJob(device, operation, subject, 2);
    const bytes = device.allocatedBytes;
    assert(await timeRuns(device, job.run, 3) > 0);
    assert.equal(device.allocatedBytes, bytes, operation);
    assert(job.macs > 0);
  }
});

eachDefaultDevice(
  "a NaViT's sequences may be longer than its tables of positions",
  async (device) => {
    const config = { ...tinyNaViT.config, positionLength: 2 };
    const job = await loadModelJob(device, "forward", { ...tinyNaViT, config }, 1);
    assert(await timeRuns(device, job.run, 1) > 0);
  },
);

Deno.test("a NaViT has a sequence a picture", async () => {
  const [task] = modelTasks(["forward"], [tinyNaViT], [3], [place]);
  const row = await measureTask(task, 2);
  assert(isMeasured(row), row.status);
  assert.equal(row.tokens, 7);
  assert(Math.abs(row.tokensPerSecond! / row.imagesPerSecond! - 7) < 1e-9);
  assert.equal(row.dtype, "f32");
});

eachDefaultDevice("training steps have weights in f32 only", async (device) => {
  for (const operation of ["train", "train-plain"] as const) {
    await assert.rejects(
      loadModelJob(device, operation, tiny, 2, "f16"),
      /with weights in f16: training is in f32 only/,
    );
  }
});
eachDefaultDevice(
  "attention of full and of packed sequences can be run again and again",
  async (device) => {
    for (const operation of ["forward", "gradient"] as const) {
      for (const images of [1, 5]) {
        const size = { tokens: 40, images, heads: 2, width: 8 };
        const { run, macs } = await loadAttention(device, operation, size);
        assert.equal(macs, (operation === "forward" ? 2 : 7) * 2 * 8 * 40 ** 2 / images);
        assert(await timeRuns(device, run, 3) > 0);
      }
    }
  },
);

eachDefaultDevice("works are sampled in turns, each by whole periods", async (device) => {
  const order: string[] = [];
  const work = (name: string) => ({ run: () => void order.push(name), period: 3 });
  const timings = await measureInTurns(device, [work("a"), work("b")], 2);
  const samples = timings.map(({ runsPerSample }) => {
    assert.equal(runsPerSample % 3, 0);
    return runsPerSample;
  });
  const measured = order.slice(-2 * (samples[0] + samples[1]));
  const turns = measured.filter((name, index) => name !== measured[index - 1]);
  assert.deepEqual(turns, ["a", "b", "a", "b"]);
});

eachDefaultDevice("a warm-up is long enough", async (device) => {
  const { run, macs } = await loadProduct(device, 8, 4, 2);
  assert.equal(macs, 64);
  const warm = await warmUp(device, run);
  assert(warm.milliseconds >= 300);
  assert(warm.runs >= 2);
});

async function ask(...requests: string[]): Promise<Record<string, unknown>[]> {
  const answers: Record<string, unknown>[] = [];
  async function* lines() {
    yield* requests;
  }
  await serve(lines(), (answer) => answers.push(JSON.parse(answer)), { tessera: "1.2.3" });
  return answers;
}

Deno.test("requests are answered line by line, whatever they are", async () => {
  const product = '{"op":"product","size":16,"threads":1,"device":"wasm"}';
  const layer = '{"op":"layer","layer":"3:2-2@5","pass":"gradient","threads":1,"device":"wasm"}';
  const attention =
    '{"op":"attention","pass":"gradient","batch":2,"tokens":5,"heads":1,"width":4,"threads":1}';
  const coding = '"size":16,"threads":1,"device":"wasm"}';
  const encode = `{"op":"encode","model":"VAE-XS",${coding}`;
  const decode = `{"op":"decode","model":"CausalTokenizer-XS","frames":5,${coding}`;
  const [info, first, second, memory, ...answers] = await ask(
    '{"op":"info"}',
    "",
    product,
    product,
    '{"op":"memory"}',
    layer,
    attention,
    encode,
    decode,
    "nonsense",
    "null",
    '{"op":"nope"}',
    '{"op":"forward","model":"DiT-Q/8"}',
    '{"op":"forward","batch":0}',
    '{"op":"product","device":"tpu"}',
    '{"op":"layer","layer":"3:2@5"}',
    '{"op":"layer","pass":"sideways"}',
    '{"op":"pictures","grids":[[2,0]]}',
    '{"op":"encode","model":"DiT-XS/8"}',
    '{"op":"decode","model":"VAE-XS","size":18}',
  );
  assert.equal(info.name, "Tessera");
  assert.equal(info.version, "1.2.3");
  assert.deepEqual(Object.keys(first), ["milliseconds"]);
  assert(second.milliseconds as number > 0);
  assert((memory.bytes as number) > (memory.deviceBytes as number));
  const [timed, errors] = [answers.slice(0, 4), answers.slice(4)];
  for (const answer of timed) assert.deepEqual(Object.keys(answer), ["milliseconds"]);
  assert.equal(errors.length, 11);
  for (const { error } of errors) assert.equal(typeof error, "string");
  assert.equal(errors[9].error, "a DiT has no latents");
  assert.match(errors[10].error as string, /divisible by 4; nearest.*16 and 20/);
});
