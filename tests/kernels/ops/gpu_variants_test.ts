/**
 * The kernels for GPUs of attention, convolution, layer norm, look-ups, random numbers and AdamW
 * against the reference interpreter, at the smallest limits WebGPU allows, on whatever adapter there
 * is; and twice, as equal runs must give equal bits. (The walk over all step kinds in `steps_test.ts`
 * tests the variant that suits the adapter.)
 *
 * @module
 */
import assert from "node:assert/strict";
import type { HostArray } from "../../../kernels/shape.ts";
import type { StepKind } from "../../../kernels/program.ts";
import { requestAdapter } from "../../../kernels/webgpu/adapter.ts";
import { takesFewerCases } from "../../scale.ts";
import { interpret } from "../../reference/interpreter.ts";
import { attentionCases, attentionGradientCases } from "./attention_cases.ts";
import type { StepCase } from "./builder.ts";
import { everyCase, oneInForms } from "./cases.ts";
import { convolutionCases, convolutionWeightGradientCases } from "./convolution_cases.ts";
import {
  adamwCases,
  gatherCases,
  layerNormCases,
  layerNormGradientCases,
  randomCases,
  scatterAddCases,
} from "./other_cases.ts";
import { type ContextChoice, LoadedProgram } from "./gpu_runner.ts";

/** Pretend that every adapter is a GPU. */
const choice: ContextChoice = { software: false };

const suites: [StepKind, (padding: number) => StepCase[]][] = [
  ["attention", attentionCases],
  ["attentionGradient", attentionGradientCases],
  ["convolution", convolutionCases],
  ["convolutionWeightGradient", convolutionWeightGradientCases],
  ["layerNorm", layerNormCases],
  ["layerNormGradient", layerNormGradientCases],
  ["gather", gatherCases],
  ["scatterAdd", scatterAddCases],
  ["random", randomCases],
  ["adamw", adamwCases],
];

/** Kinds whose kernels take longest to compile: of their forms an emulated GPU takes every second. */
const long: readonly StepKind[] = ["attention", "attentionGradient"];

/** All cases; on an emulated GPU each form, or every second, once. */
async function chooseCases(
  kind: StepKind,
  make: (padding: number) => StepCase[],
): Promise<StepCase[]> {
  const cases = everyCase(make);
  return await takesFewerCases() ? oneInForms(cases, long.includes(kind) ? 2 : 1) : cases;
}

/** Results of a case by name: twice, on fresh inputs. */
async function runTwice(
  device: GPUDevice,
  test: StepCase,
): Promise<Map<string, [HostArray, HostArray]>> {
  const loaded = await LoadedProgram.load(device, test.program, choice);
  const rounds: HostArray[][] = [];
  for (let round = 0; round < 2; round++) {
    loaded.write(test.inputs);
    loaded.write(test.states);
    loaded.run();
    rounds.push(await Promise.all([...test.states.keys()].map((name) => loaded.read(name))));
  }
  loaded.destroy();
  return new Map([...test.states.keys()].map((name, i) => [name, [rounds[0][i], rounds[1][i]]]));
}

/** Largest error relative to the largest finite magnitude expected; infinite for a wrong NaN. */
function relativeError(actual: ArrayLike<number>, expected: Float64Array): number {
  const magnitude = expected.reduce((m, x) => Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m, 0);
  return expected.reduce((worst, x, i) => {
    if (actual[i] === x || Object.is(actual[i], x)) return worst;
    const error = Math.abs(actual[i] - x) / (magnitude || 1);
    return Number.isNaN(error) ? Infinity : Math.max(worst, error);
  }, 0);
}

const adapter = await requestAdapter();

for (const [kind, make] of suites) {
  Deno.test({ name: `WebGPU kernels for GPUs: ${kind}`, ignore: !adapter }, async () => {
    // No limits requested: what every implementation guarantees.
    const device = await (await requestAdapter())!.requestDevice();
    let worst = { ratio: 0, name: "" };
    const failures: string[] = [];
    const cases = await chooseCases(kind, make);
    for (const test of cases) {
      const expected = interpret(test.program, test.inputs, test.states);
      for (const [name, [first, second]] of await runTwice(device, test)) {
        assert.deepEqual(new Uint32Array(first.buffer), new Uint32Array(second.buffer), test.name);
        const error = relativeError(first, expected.get(name)!);
        const ratio = error / (test.tolerance || Number.MIN_VALUE);
        if (ratio > worst.ratio) worst = { ratio, name: test.name };
        if (!(ratio <= 1)) failures.push(`${test.name}: ${name} is off by ${error}`);
      }
    }
    device.destroy();
    console.log(
      `${kind}: ${cases.length} cases, ${failures.length} failed, worst ` +
        `${(100 * worst.ratio).toFixed(0)} % of the allowed error (${worst.name})`,
    );
    assert.equal(failures.length, 0, failures.slice(0, 20).join("\n"));
  });
}
