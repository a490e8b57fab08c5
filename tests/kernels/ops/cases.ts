/**
 * The cases of every kind of step, and how one is run.
 *
 * @module
 */
import type { Device } from "../../../kernels/device.ts";
import type { StepKind } from "../../../kernels/program.ts";
import type { HostArray } from "../../../kernels/shape.ts";
import { attentionCases, attentionGradientCases } from "./attention_cases.ts";
import { convolutionCases, convolutionWeightGradientCases } from "./convolution_cases.ts";
import { matmulCases } from "./matmul_cases.ts";
import {
  adamwCases,
  gatherCases,
  layerNormCases,
  layerNormGradientCases,
  randomCases,
  scatterAddCases,
} from "./other_cases.ts";
import { elementwiseCases, reduceCases, widenCases } from "./tensor_cases.ts";
import type { StepCase } from "./builder.ts";

/** Makes the cases of a kind, with operands that start `padding` elements into their buffers. */
export const casesOf: Record<StepKind, (padding: number) => StepCase[]> = {
  elementwise: elementwiseCases,
  widen: widenCases,
  reduce: reduceCases,
  matmul: matmulCases,
  convolution: convolutionCases,
  convolutionWeightGradient: convolutionWeightGradientCases,
  attention: attentionCases,
  attentionGradient: attentionGradientCases,
  layerNorm: layerNormCases,
  layerNormGradient: layerNormGradientCases,
  gather: gatherCases,
  scatterAdd: scatterAddCases,
  random: randomCases,
  adamw: adamwCases,
};

/** Aligned operands, and operands that start 3 elements into their buffers. */
const paddings = [0, 3];

/** All cases of a kind: each form with each padding. */
export function everyCase(make: (padding: number) => StepCase[]): StepCase[] {
  return paddings.flatMap((padding) =>
    make(padding).map((test) =>
      padding ? { ...test, name: `${test.name}, padding ${padding}` } : test
    )
  );
}

/** Of all cases of a kind one form in `every`, once, its operands aligned and not in turns. */
export function oneInForms<Case>(cases: readonly Case[], every: number): Case[] {
  const forms = cases.length / paddings.length;
  const chosen = Array.from({ length: Math.ceil(forms / every) }, (_, index) => index);
  return chosen.map((index) => cases[every * index + forms * (index % paddings.length)]);
}

/** Results of a case on a device, by the name of the state. */
export async function runCase(
  device: Device,
  test: StepCase,
): Promise<Map<string, HostArray>> {
  const executable = await device.load(test.program);
  try {
    for (const [name, data] of [...test.inputs, ...test.states]) {
      executable.buffer(name).write(data);
    }
    executable.run();
    const results = new Map<string, HostArray>();
    for (const name of test.states.keys()) {
      results.set(name, await executable.buffer(name).read());
    }
    return results;
  } finally {
    executable.destroy();
  }
}

/**
 * Largest error relative to the largest finite magnitude expected, or to the least one that counts
 * where results may cancel; infinite for a wrong NaN.
 */
export function relativeError(
  actual: ArrayLike<number>,
  expected: Float64Array,
  least = 0,
): number {
  const magnitude = expected.reduce(
    (m, x) => Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m,
    least,
  );
  let worst = 0;
  expected.forEach((x, i) => {
    if (Object.is(actual[i], x) || actual[i] === x) return;
    const error = Math.abs(actual[i] - x) / (magnitude || 1);
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  });
  return worst;
}
