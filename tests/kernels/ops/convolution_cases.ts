/**
 * Cases for convolutions and the gradients of their weights.
 *
 * @module
 */
import { binary, type Expression, load, unary } from "../../../kernels/expression.ts";
import type { Triple } from "../../../kernels/ops/convolution/step.ts";
import type { Shape } from "../../../kernels/shape.ts";
import { broadcast, type Layout, StepBuilder, type StepCase, unitRoundoff } from "./builder.ts";

/** Sizes of a convolution. */
export interface ConvolutionForm {
  readonly name: string;
  readonly batch?: number;
  /** Frames, lines and positions of the input. */
  readonly input: Triple;
  readonly kernel: Triple;
  readonly strides?: Triple;
  readonly before?: Triple;
  readonly after?: Triple;
  readonly channels: readonly [input: number, output: number];
}

const forms: ConvolutionForm[] = [
  { name: "one element", input: [1, 1, 1], kernel: [1, 1, 1], channels: [1, 1] },
  { name: "1 x 1 x 1", input: [2, 3, 5], kernel: [1, 1, 1], channels: [5, 72] },
  {
    name: "one window larger than its input",
    input: [1, 1, 2],
    kernel: [1, 3, 5],
    before: [0, 1, 2],
    after: [0, 1, 1],
    channels: [3, 5],
  },
  {
    name: "along one axis",
    batch: 2,
    input: [1, 1, 300],
    kernel: [1, 1, 3],
    before: [0, 0, 1],
    after: [0, 0, 1],
    channels: [5, 3],
  },
  {
    name: "3 x 3",
    batch: 2,
    input: [1, 5, 7],
    kernel: [1, 3, 3],
    before: [0, 1, 1],
    after: [0, 1, 1],
    channels: [72, 20],
  },
  {
    name: "3 x 3, padding after only, stride 2",
    input: [1, 8, 9],
    kernel: [1, 3, 3],
    strides: [1, 2, 2],
    after: [0, 1, 1],
    channels: [3, 72],
  },
  {
    name: "causal 3 x 3 x 3",
    input: [5, 7, 6],
    kernel: [3, 3, 3],
    before: [2, 1, 1],
    after: [0, 1, 1],
    channels: [5, 18],
  },
  {
    name: "causal 3 x 3 x 3, all strides",
    batch: 2,
    input: [5, 6, 7],
    kernel: [3, 3, 3],
    strides: [2, 2, 2],
    before: [2, 1, 1],
    after: [0, 1, 1],
    channels: [72, 5],
  },
  {
    name: "2 x 4 x 5, strides beyond it",
    input: [7, 9, 16],
    kernel: [2, 4, 5],
    strides: [3, 1, 6],
    channels: [4, 7],
  },
  {
    name: "windows that begin behind the first position",
    input: [3, 6, 6],
    kernel: [1, 2, 2],
    before: [-1, -2, -1],
    channels: [3, 4],
  },
  {
    name: "3 x 3 of many positions",
    input: [1, 9, 21],
    kernel: [1, 3, 3],
    before: [0, 1, 2],
    after: [0, 1, 0],
    channels: [18, 21],
  },
  {
    name: "causal 3 x 3 x 3 of many positions",
    input: [3, 8, 9],
    kernel: [3, 3, 3],
    strides: [2, 1, 1],
    before: [2, 1, 1],
    after: [0, 1, 1],
    channels: [16, 16],
  },
  {
    name: "3 x 3 of many positions in several parts",
    input: [1, 8, 8],
    kernel: [1, 3, 3],
    before: [0, 1, 1],
    after: [0, 1, 1],
    channels: [260, 17],
  },
  {
    name: "several parts of the channels",
    input: [1, 4, 3],
    kernel: [1, 3, 3],
    before: [0, 1, 1],
    after: [0, 1, 1],
    channels: [300, 5],
  },
];

/** Frames, lines and positions of the output. */
export function outputSizes(form: ConvolutionForm): number[] {
  const { input, kernel, strides = [1, 1, 1], before = [0, 0, 0], after = [0, 0, 0] } = form;
  return input.map((size, axis) =>
    Math.floor((size + before[axis] + after[axis] - kernel[axis]) / strides[axis]) + 1
  );
}

/** Roundings of a sum of that many terms of random sign grow like its square root. */
const tolerance = (terms: number): number => (4 + 2 * Math.sqrt(terms)) * unitRoundoff;

/** A weight stored as (O, C, kernel), or as (C, O, kernel) where the roles are exchanged. */
function weightLayout({ kernel, channels: [c, o] }: ConvolutionForm, exchanged: boolean): Layout {
  const [t, y, x] = kernel;
  const places = t * y * x;
  const [channel, column] = exchanged ? [o * places, places] : [places, c * places];
  return {
    shape: [...kernel, c, o],
    strides: [y * x, x, 1, channel, column],
    elements: o * c * places,
  };
}

/** Every second of a number of positions that lie `gap` elements apart from each other. */
function spread(shape: Shape, gap: number): Layout {
  const [n, t, y, x, c] = shape;
  const strides = [t * y * x * 2 * (c + gap), y * x * 2 * (c + gap), x * 2 * (c + gap)];
  return {
    shape,
    strides: [...strides, 2 * (c + gap), 1],
    offset: gap,
    elements: n * t * y * x * 2 * (c + gap),
  };
}

const defaults = { strides: [1, 1, 1], before: [0, 0, 0] } as const;

/** One convolution, of spread operands if `strided`. */
export function convolutionCase(
  padding: number,
  form: ConvolutionForm,
  { flipped, strided }: { readonly flipped: boolean; readonly strided: boolean },
): StepCase {
  const b = new StepBuilder(padding);
  const { batch = 1, input, channels: [c, o], kernel } = form;
  const layout = strided ? (shape: Shape) => spread(shape, 3) : (shape: Shape) => shape;
  const step = {
    kind: "convolution",
    ...defaults,
    ...form.strides && { strides: form.strides },
    ...form.before && { before: form.before },
    input: b.input(layout([batch, ...input, c])),
    weight: b.input(weightLayout(form, flipped)),
    flipped,
    output: b.output(layout([batch, ...outputSizes(form), o])),
    epilogueInputs: [],
  } as const;
  const name = `${form.name}${flipped ? " flipped" : ""}${strided ? " strided" : ""}`;
  return b.build(name, step, tolerance(c * kernel[0] * kernel[1] * kernel[2]));
}

/** Convolutions. */
export function convolutionCases(padding: number): StepCase[] {
  const plain = forms.flatMap((form) =>
    [false, true].flatMap((flipped) =>
      [false, true].map((strided) => convolutionCase(padding, form, { flipped, strided }))
    )
  );
  return [...plain, ...epilogueCases(padding)];
}

const [x, y, z] = [0, 1, 2].map((input) => load(input));

/** Bias, activation and residual fused into a convolution. */
function epilogueCases(padding: number): StepCase[] {
  const biased = binary("add", x, y);
  const silu = binary("multiply", biased, unary("sigmoid", biased));
  const epilogues: [string, Expression, number][] = [
    ["bias", biased, 1],
    ["bias and SiLU", silu, 1],
    ["bias, SiLU and residual", binary("add", z, silu), 2],
  ];
  const several = forms.filter(({ name }) => name.includes("several parts"));
  return several.flatMap((form) =>
    epilogues.map(([name, epilogue, count]) => {
      const { input, channels: [c, o] } = form;
      const b = new StepBuilder(padding);
      const shape = [1, ...outputSizes(form), o];
      const step = {
        kind: "convolution",
        strides: [1, 1, 1],
        before: form.before!,
        input: b.input([1, ...input, c]),
        weight: b.input(weightLayout(form, false)),
        flipped: false,
        output: b.output(shape),
        epilogue,
        epilogueInputs: [b.input(broadcast([1, 1, 1, 1, o], shape)), b.input(spread(shape, 1))]
          .slice(0, count),
      } as const;
      return b.build(`${form.name}: ${name}`, step, tolerance(9 * c) + 16 * unitRoundoff);
    })
  );
}

/** One gradient of a weight, of spread operands if `strided`. */
export function convolutionWeightGradientCase(
  padding: number,
  form: ConvolutionForm,
  strided: boolean,
): StepCase {
  const b = new StepBuilder(padding);
  const { batch = 1, input, kernel, channels: [c, o] } = form;
  const layout = strided ? (shape: Shape) => spread(shape, 2) : (shape: Shape) => shape;
  const positions = [batch, ...outputSizes(form)];
  const step = {
    kind: "convolutionWeightGradient",
    ...defaults,
    ...form.strides && { strides: form.strides },
    ...form.before && { before: form.before },
    input: b.input(layout([batch, ...input, c])),
    outputGradient: b.input(layout([...positions, o])),
    output: b.output([o, c, ...kernel]),
  } as const;
  const terms = positions.reduce((product, size) => product * size);
  return b.build(`${form.name}${strided ? " strided" : ""}`, step, tolerance(terms));
}

/** Gradients of weights. */
export function convolutionWeightGradientCases(padding: number): StepCase[] {
  return forms.flatMap((form) =>
    [false, true].map((strided) => convolutionWeightGradientCase(padding, form, strided))
  );
}
