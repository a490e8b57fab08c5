/**
 * Cases for layer norms, table look-ups, random numbers and the optimizer.
 *
 * @module
 */
import { adamwSchedule } from "../../../kernels/ops/optimizer/step.ts";
import type { View } from "../../../kernels/view.ts";
import type { Shape } from "../../../kernels/shape.ts";
import { broadcast, type Layout, StepBuilder, type StepCase, unitRoundoff } from "./builder.ts";

interface NormForm {
  readonly name: string;
  readonly input: Shape | Layout;
  /** Shape of scale and shift, broadcast to the input. Absent: no modulation. */
  readonly modulation?: Shape;
  /** Distance of the mean from zero. */
  readonly mean?: number;
}

const rows: Layout = { shape: [5, 24], strides: [40, 1], offset: 7, elements: 200 };

const normForms: NormForm[] = [
  { name: "(1, 1)", input: [1, 1] },
  { name: "(17)", input: [17] },
  { name: "(3, 3)", input: [3, 3] },
  { name: "(17, 72)", input: [17, 72] },
  { name: "(2, 5, 384)", input: [2, 5, 384] },
  { name: "(4, 131)", input: [4, 131] },
  { name: "slices of rows", input: rows },
  { name: "far mean", input: [3, 65], mean: 30 },
  { name: "scale and shift of the image", input: [3, 5, 72], modulation: [3, 1, 72] },
  { name: "scale and shift of all", input: [3, 5, 17], modulation: [1, 1, 17] },
  { name: "scale and shift of each token", input: [3, 5, 24], modulation: [3, 5, 24] },
  { name: "slices, modulated", input: rows, modulation: [1, 24] },
];

const shapeOf = (layout: Shape | Layout): Shape => "shape" in layout ? layout.shape : layout;

/** Modulation as models have it: (N, D) slices of one (N, 6 D) projection. */
function modulation(b: StepBuilder, shape: Shape): { scale: View; shift: View } {
  const width = shape.at(-1)!;
  const images = shape[0];
  const all = [images, ...shape.slice(1, -1).map(() => 1), 6 * width];
  const strides = all.map((_, axis) => axis === 0 ? 6 * width : axis === shape.length - 1 ? 1 : 0);
  const layout = (part: number): Layout => ({
    shape,
    strides,
    offset: part * width,
    elements: images * 6 * width,
  });
  const scale = b.input(layout(1));
  return { scale, shift: b.alias(scale, layout(4)) };
}

function normTolerance(form: NormForm): number {
  return (16 + 8 * (form.mean ?? 0)) * unitRoundoff;
}

/** Layer norms, with and without modulation and statistics. */
export function layerNormCases(padding: number): StepCase[] {
  const cases = [true, false].flatMap((withStatistics) =>
    normForms.map((form) => {
      const shape = shapeOf(form.input);
      const b = new StepBuilder(padding);
      const input = b.input(form.input, (x) => x + (form.mean ?? 0));
      const step = {
        kind: "layerNorm",
        input,
        ...form.modulation && {
          scale: b.input(broadcast(form.modulation, shape)),
          shift: b.input(broadcast(form.modulation, shape)),
        },
        epsilon: 1e-6,
        output: b.output(withStatistics ? shape : form.input),
        ...withStatistics && { statistics: b.output([...shape.slice(0, -1), 2]) },
      } as const;
      const name = `${form.name}${withStatistics ? " statistics" : ""}`;
      return b.build(name, step, normTolerance(form));
    })
  );
  const b = new StepBuilder(padding);
  const shape = [3, 7, 40];
  const step = {
    kind: "layerNorm",
    input: b.input(shape),
    ...modulation(b, shape),
    epsilon: 1e-6,
    output: b.output(shape),
  } as const;
  return [...cases, b.build("slices of one modulation", step, 16 * unitRoundoff)];
}

/** Gradients of layer norms: plain, with an addend, and with an addend in place. */
export function layerNormGradientCases(padding: number): StepCase[] {
  return (["none", "separate", "in place"] as const).flatMap((addendKind) =>
    normForms.map((form) => {
      const shape = shapeOf(form.input);
      const b = new StepBuilder(padding);
      const input = b.input(form.input, (x) => x + (form.mean ?? 0));
      const inPlace = addendKind === "in place";
      const output = inPlace ? b.updated(form.input) : b.output(shape);
      const addend = inPlace ? output : addendKind === "none" ? undefined : b.input(form.input);
      const step = {
        kind: "layerNormGradient",
        input,
        // Plausible rather than exact: the step takes them as they are.
        statistics: b.input([...shape.slice(0, -1), 2], (x) => 1 + 0.25 * x + (form.mean ?? 0)),
        ...form.modulation && { scale: b.input(broadcast(form.modulation, shape)) },
        outputGradient: b.input(shape),
        ...addend && { addend },
        output,
      } as const;
      return b.build(`${form.name}, addend ${addendKind}`, step, normTolerance(form));
    })
  );
}

const tables: [rows: number, width: number, indices: number[]][] = [
  [1, 1, [0]],
  [5, 3, [4, 0, 0, 3, 4, 4, 1]],
  [17, 72, [16, 0, 5]],
  [1001, 16, [1000, 7, 7, 999, 0, 1, 2, 3, 4, 5, 6, 7, 8]],
  [3, 130, [2, 1, 2, 2]],
];

/** Look-ups in tables, copied exactly. */
export function gatherCases(padding: number): StepCase[] {
  return [...tables, [4, 5, [3, -1, 4, 2]] as const].map(([rows, width, list]) => {
    const b = new StepBuilder(padding);
    const step = {
      kind: "gather",
      table: b.input([rows, width]),
      indices: b.integers([list.length], list),
      output: b.output([list.length, width]),
    } as const;
    return b.build(`${list.length} of (${rows}, ${width})`, step, 0);
  });
}

/** Sums into the rows of a table. */
export function scatterAddCases(padding: number): StepCase[] {
  return [...tables, [4, 5, [3, -1, 4, 3]] as const].map(([rows, width, list]) => {
    const b = new StepBuilder(padding);
    const step = {
      kind: "scatterAdd",
      indices: b.integers([list.length], list),
      source: b.input([list.length, width]),
      output: b.output([rows, width]),
    } as const;
    return b.build(`${list.length} into (${rows}, ${width})`, step, 4 * unitRoundoff);
  });
}

/** Random numbers: uniform ones exact, normal ones to a few units in the last place. */
export function randomCases(padding: number): StepCase[] {
  const shapes: Shape[] = [[1, 1], [3, 2], [2, 17], [5, 4, 4, 4], [2, 3, 1001]];
  return (["uniform", "normal"] as const).flatMap((distribution) =>
    shapes.map((shape, i) => {
      const b = new StepBuilder(padding);
      const step = {
        kind: "random",
        distribution,
        seed: b.integers([2], [0x12345678, -19 * i]),
        rows: b.integers([shape[0]], [0, 7, -1, 123456789]),
        draw: b.integers([], [1000 * i]),
        stream: i + 3,
        output: b.output(shape),
      } as const;
      const tolerance = distribution === "uniform" ? 0 : 8 * unitRoundoff;
      return b.build(`${distribution} (${shape})`, step, tolerance);
    })
  );
}

/** Optimizer updates; the last ones are skipped steps, which must change nothing at all. */
export function adamwCases(padding: number): StepCase[] {
  const make = (
    shape: Shape,
    gradientScale: number,
    options: { average: boolean; decay: boolean },
  ): StepCase => {
    const b = new StepBuilder(padding);
    const schedule = new Array<number>(adamwSchedule.length);
    schedule[adamwSchedule.learningRate] = 0.01;
    schedule[adamwSchedule.beta1] = 0.9;
    schedule[adamwSchedule.beta2] = 0.999;
    schedule[adamwSchedule.epsilon] = 1e-8;
    schedule[adamwSchedule.weightDecay] = 0.1;
    schedule[adamwSchedule.correction1] = 1 / (1 - 0.9 ** 3);
    schedule[adamwSchedule.correction2] = 1 / Math.sqrt(1 - 0.999 ** 3);
    schedule[adamwSchedule.averageDecay] = 0.99;
    const step = {
      kind: "adamw",
      parameter: b.updated(shape),
      gradient: b.input(shape),
      firstMoment: b.updated(shape),
      secondMoment: b.updated(shape, (x) => x * x + 1e-4),
      ...options.average && { average: b.updated(shape) },
      schedule: b.values([adamwSchedule.length], schedule),
      gradientScale: b.values([], [gradientScale]),
      decay: options.decay,
    } as const;
    const skipped = !(gradientScale >= 0);
    const name = `(${shape}) gradient x ${gradientScale}` +
      `${options.average ? " average" : ""}${options.decay ? " decay" : ""}`;
    return b.build(name, step, skipped ? 0 : 8 * unitRoundoff);
  };
  const both = [true, false];
  const options = both.flatMap((average) => both.map((decay) => ({ average, decay })));
  const sizes: Shape[] = [[1], [3], [17], [72, 5], [16, 16], [1037]];
  return [
    ...sizes.flatMap((shape) => options.map((choice) => make(shape, 0.5, choice))),
    make([33], 0, options[0]),
    make([33], 1, options[0]),
    make([33], -1, options[0]),
    make([33], NaN, options[0]),
  ];
}
