/** Kernels whose operands and results are in half precision: one rounding, that of the result. */
import assert from "node:assert/strict";
import type { Program, Step, StepKind } from "../../../kernels/program.ts";
import type { StoredArray } from "../../../kernels/shape.ts";
import { halfActivationsTest } from "../../half_activations.ts";
import { interpret } from "../../reference/interpreter.ts";
import { takesFewerCases } from "../../scale.ts";
import { failuresOf } from "../webgpu/cases.ts";
import type { StepCase } from "./builder.ts";
import { casesOf, everyCase } from "./cases.ts";

/** What stays in single precision: statistics, and weights that attention reads. */
const single = new Set(["logSumExp", "rowDot", "statistics", "bias", "biasGradient"]);

/** The same step on operands and results in half precision. */
function inHalves(test: StepCase): StepCase {
  const [step] = test.program.steps;
  const kept = new Set(
    Object.entries(step).flatMap(([name, view]) => single.has(name) ? [view?.buffer] : []),
  );
  const isHalf = test.program.buffers.map(({ dtype }, index) =>
    dtype === "f32" && !kept.has(index)
  );
  const retyped = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(retyped);
    if (typeof value !== "object" || value === null || !("buffer" in value)) return value;
    return isHalf[value.buffer as number] ? { ...value, dtype: "f16" } : value;
  };
  const program: Program = {
    ...test.program,
    buffers: test.program.buffers.map((buffer, index) =>
      isHalf[index] ? { ...buffer, dtype: "f16" } : buffer
    ),
    steps: [
      Object.fromEntries(
        Object.entries(step).map(([name, value]) => [name, retyped(value)]),
      ) as unknown as Step,
    ],
  };
  const isHalfName = new Set(program.buffers.flatMap(({ name }, i) => isHalf[i] ? [name] : []));
  const rounded = (contents: ReadonlyMap<string, StoredArray>) =>
    new Map([...contents].map(([name, data]) => [
      name,
      isHalfName.has(name) ? Float16Array.from(data) : data,
    ]));
  return {
    name: test.name,
    program,
    inputs: rounded(test.inputs),
    states: rounded(test.states),
    tolerance: test.tolerance + 2 ** -11,
  };
}

/** Whether everything in a case is within the range of half precision. */
function fits({ program, inputs, states }: StepCase): boolean {
  const results = interpret(program, inputs, states);
  const numbers = [...inputs.values(), ...results.values()];
  return numbers.every((array) => array.every((x) => Math.abs(x) <= 65504 || !Number.isFinite(x)));
}

/** Kinds of steps, variants of their kernels, and the cases that are tried on an emulated GPU. */
const kinds: readonly { kind: StepKind; variant?: string; usual: readonly string[] }[] = [
  {
    kind: "elementwise",
    usual: [
      "gelu",
      "in place (17), padding 3",
      "in place (33,72)",
      "broadcast (1,5,17) to (3,5,17)",
    ],
  },
  { kind: "reduce", usual: ["sum (5,3) over (72)", "maximum (4) over (3,17), padding 3"] },
  { kind: "reduce", variant: "groups", usual: ["sum (4) over (3,17), padding 3"] },
  { kind: "matmul", usual: ["1 x (64, 32) (32, 48) B^T", "3 x (7, 13) (13, 9) gap 3, padding 3"] },
  { kind: "matmul", variant: "tiles", usual: ["1 x (17, 72) (72, 33)"] },
  { kind: "matmul", variant: "windows", usual: ["1 x (13, 65) (65, 100), padding 3"] },
  { kind: "convolution", usual: ["3 x 3", "causal 3 x 3 x 3 strided, padding 3"] },
  { kind: "convolutionWeightGradient", usual: ["3 x 3 strided", "3 x 3, padding 3"] },
  { kind: "attention", usual: ["packed N 2 Tq 17 Tk 17 H 3 D 16"] },
  {
    kind: "attention",
    variant: "workgroup",
    usual: ["plain N 3 Tq 19 Tk 19 H 1 D 3 segments, padding 3"],
  },
  { kind: "attentionGradient", usual: ["packed N 2 Tq 17 Tk 17 H 3 D 16"] },
  {
    kind: "layerNorm",
    usual: ["slices, modulated statistics", "(4, 131), padding 3"],
  },
  { kind: "layerNormGradient", usual: ["(17, 72), addend in place", "(3, 3), addend none"] },
  { kind: "gather", usual: ["3 of (17, 72)", "7 of (5, 3), padding 3"] },
  { kind: "scatterAdd", usual: ["3 into (17, 72)", "7 into (5, 3), padding 3"] },
];

for (const { kind, variant, usual } of kinds) {
  const title = variant === undefined ? kind : `${kind}, ${variant}`;
  halfActivationsTest(`step ${title} in half precision`, async (device) => {
    const all = everyCase(casesOf[kind]);
    const few = all.filter(({ name }) => usual.includes(name));
    assert.equal(few.length, usual.length);
    const cases = (await takesFewerCases() ? few : all).map(inHalves).filter(fits);
    assert(cases.length >= few.length);
    assert.deepEqual(await failuresOf(title, device, cases), []);
  }, { variants: variant === undefined ? undefined : { [kind]: variant } });
}
