/**
 * Layer norm and its gradient in WebAssembly: one pass over a row for the mean, one for the
 * variance, one for the result, all while the row sits in the first-level cache. Sums run in four
 * vector accumulators, which also keeps their rounding errors small. Rows are divided over the
 * threads.
 *
 * @module
 */
import { elementCount } from "../../shape.ts";
import type { View } from "../../view.ts";
import { setRowPointers } from "../../wasm/emit/addressing.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { collapseAxes, type LoopNest, nestName } from "../../wasm/collapse.ts";
import {
  accumulators,
  combine,
  forEachVector,
  maskRow,
  type RowVector,
} from "../../wasm/emit/lanes.ts";
import type { Phase, WasmContext, WasmLowering } from "../../wasm/lowering.ts";
import { horizontalSum } from "../../wasm/emit/math.ts";
import { splitEvenly, splitPhase } from "../../wasm/split.ts";
import {
  add,
  assign,
  kept,
  multiply,
  multiplyAdd,
  negativeMultiplyAdd,
  row,
  scalar,
  splat,
  spread,
  store,
  storeScalar,
  subtract,
  type Value,
} from "../../wasm/emit/values.ts";
import type { LayerNormGradientStep, LayerNormStep } from "./step.ts";

const unroll = 4;

/** What a function is specialised to. */
interface RowKernel {
  readonly width: number;
  /** Names of the operands. */
  readonly roles: readonly string[];
  /** The rows, with the strides of every operand. */
  readonly rows: LoopNest;
}

/**
 * Emits `(row, rowEnd, ...operand addresses)`: the loop over rows; `body` gets the address of the
 * current row in every operand.
 */
function rowFunction(
  module: ModuleBuilder,
  name: string,
  { roles, rows }: RowKernel,
  body: (f: FunctionBuilder, operand: ReadonlyMap<string, Local>) => void,
): FunctionBuilder {
  const f = module.function(name, new Array(2 + roles.length).fill("i32"), []);
  const [row, rowEnd, ...bases] = f.parameters;
  const pointers = f.locals("i32", roles.length);
  const operands = new Map(roles.map((role, i) => [role, pointers[i]]));
  f.forRange(row, rowEnd, 1, () => {
    setRowPointers(f, row, rows.sizes, rows.strides, bases, pointers);
    body(f, operands);
  });
  return f;
}

/** The sum of the accumulators divided by the width, a single number. */
const mean = (sums: readonly Local[], width: number): Value =>
  scalar.divide((f) => {
    combine(f, sums, "f32x4Add");
    horizontalSum(f);
  }, width);

/** Sums `term` over the row into fresh accumulators; it is given the sum so far. */
function rowSums(
  f: FunctionBuilder,
  sums: readonly Local[],
  width: number,
  starts: readonly Local[],
  term: (at: RowVector, pointers: readonly Local[], sum: Local) => Value,
): void {
  for (const sum of sums) assign(f, sum, 0);
  forEachVector(f, width, starts, unroll, (at, pointers) => {
    const sum = sums[at.slot % sums.length];
    assign(f, sum, term(at, pointers, sum));
  });
}

/** Emits the forward kernel. */
function emitLayerNorm(
  module: ModuleBuilder,
  name: string,
  kernel: RowKernel & { readonly epsilon: number },
): FunctionBuilder {
  const { width, epsilon } = kernel;
  return rowFunction(module, name, kernel, (f, operand) => {
    const input = operand.get("input")!;
    const statistics = operand.get("statistics");
    const sums = accumulators(f, unroll, 0);
    const [average, deviation, x] = f.locals("v128", 3);
    const statistic = f.local("f32");

    rowSums(f, sums, width, [input], (at, [p], sum) => add(row(p, at), sum));
    assign(f, average, spread(kept(statistic, mean(sums, width))));
    if (statistics) storeScalar(f, statistics, 0, statistic);

    rowSums(f, sums, width, [input], (at, [p], sum) => {
      const centred = kept(x, masked(at, subtract(row(p, at), average)));
      return multiplyAdd(centred, x, sum);
    });
    const variance = mean(sums, width);
    const reciprocal = scalar.divide(1, scalar.squareRoot(scalar.add(variance, epsilon)));
    assign(f, deviation, spread(kept(statistic, reciprocal)));
    if (statistics) storeScalar(f, statistics, 4, statistic);

    const modulation = operand.has("scale") ? [operand.get("scale")!, operand.get("shift")!] : [];
    const starts = [input, operand.get("output")!, ...modulation];
    forEachVector(f, width, starts, unroll, (at, [from, to, scale, shift]) => {
      const normalized = multiply(subtract(row(from, at), average), deviation);
      const result = scale
        ? multiplyAdd(normalized, add(row(scale, at), 1), row(shift, at))
        : normalized;
      store(f, to, at, result);
    });
  });
}

/** A vector whose lanes past the row are set to zero. */
const masked = (at: RowVector, value: Value): Value => (f) => {
  value(f);
  maskRow(f, at);
};

/** Emits the gradient kernel. */
function emitLayerNormGradient(
  module: ModuleBuilder,
  name: string,
  kernel: RowKernel,
): FunctionBuilder {
  const { width } = kernel;
  return rowFunction(module, name, kernel, (f, operand) => {
    const [input, statistics] = [operand.get("input")!, operand.get("statistics")!];
    const scaleRow = operand.has("scale") ? [operand.get("scale")!] : [];
    const gradientSums = accumulators(f, 2, 0);
    const productSums = accumulators(f, 2, 0);
    const [average, deviation, meanGradient, meanProduct, g, normalized] = f.locals("v128", 6);
    assign(f, average, splat(statistics, 0));
    assign(f, deviation, splat(statistics, 4));

    // Leaves g = outputGradient * (1 + scale) and the normalised input in their locals.
    const terms = (at: RowVector, x: Local, gradient: Local, scale: Local | undefined) => {
      const outer = row(gradient, at);
      assign(f, g, scale ? multiply(outer, add(row(scale, at), 1)) : outer);
      assign(f, normalized, multiply(subtract(row(x, at), average), deviation));
    };

    for (const sum of [...gradientSums, ...productSums]) assign(f, sum, 0);
    const read = [input, operand.get("outputGradient")!, ...scaleRow];
    forEachVector(f, width, read, unroll, (at, [x, gradient, scale]) => {
      terms(at, x, gradient, scale);
      const [sum, product] = [gradientSums[at.slot % 2], productSums[at.slot % 2]];
      // Lanes past the row have g = 0 and add nothing.
      assign(f, sum, add(g, sum));
      assign(f, product, multiplyAdd(g, normalized, product));
    });
    assign(f, meanGradient, spread(mean(gradientSums, width)));
    assign(f, meanProduct, spread(mean(productSums, width)));

    const addendRow = operand.has("addend") ? [operand.get("addend")!] : [];
    const starts = [operand.get("output")!, ...read, ...addendRow];
    forEachVector(f, width, starts, unroll, (at, [to, x, gradient, ...others]) => {
      const scale = scaleRow.length > 0 ? others[0] : undefined;
      const addend = addendRow.length > 0 ? others.at(-1) : undefined;
      terms(at, x, gradient, scale);
      const centred = subtract(g, meanGradient);
      const inner = negativeMultiplyAdd(normalized, meanProduct, centred);
      const result = addend
        ? multiplyAdd(inner, deviation, row(addend, at))
        : multiply(inner, deviation);
      store(f, to, at, result);
    });
  });
}

/** Divides the rows of the operands over the threads. */
function lowerRows(
  operands: ReadonlyMap<string, View>,
  context: WasmContext,
  kind: string,
  results: readonly string[],
  emit: (module: ModuleBuilder, name: string, kernel: RowKernel) => FunctionBuilder,
): Phase[] {
  const [roles, views] = [[...operands.keys()], [...operands.values()]];
  const { shape } = views[0];
  const leading = shape.slice(0, -1);
  const width = shape.at(-1)!;
  const addresses = [...operands].map(([role, view]) =>
    context.address(view, {
      shape: [...leading, role === "statistics" ? 2 : width],
      layout: "rows",
      written: results.includes(role),
    })
  );
  const rows = collapseAxes(leading, views.map(({ strides }) => strides.slice(0, -1)));
  const name = `${kind} ${width} ${roles.join(" ")} ${nestName(rows)}`;
  context.define(name, (module) => emit(module, name, { width, roles, rows }));
  return [
    splitPhase(splitEvenly(elementCount(leading), context.threads), ({ start, end }) => [
      { function: name, arguments: [start, end, ...addresses] },
    ]),
  ];
}

/** The operands that are there, by role. */
function present(views: Record<string, View | undefined>): Map<string, View> {
  return new Map(
    Object.entries(views).filter((entry): entry is [string, View] => entry[1] !== undefined),
  );
}

/** Layer norm over the last axis, optionally modulated and with statistics. */
export const lowerLayerNorm: WasmLowering<LayerNormStep> = (step, context) => {
  const { input, output, scale, shift, statistics, epsilon } = step;
  const operands = present({ input, output, scale, shift, statistics });
  return lowerRows(
    operands,
    context,
    `layerNorm ${epsilon}`,
    ["output", "statistics"],
    (module, name, kernel) => emitLayerNorm(module, name, { ...kernel, epsilon }),
  );
};

/** Gradient of a layer norm with respect to its input, plus the addend. */
export const lowerLayerNormGradient: WasmLowering<LayerNormGradientStep> = (step, context) => {
  const { input, output, statistics, scale, outputGradient, addend } = step;
  const operands = present({ input, output, statistics, scale, outputGradient, addend });
  return lowerRows(operands, context, "layerNormGradient", ["output"], emitLayerNormGradient);
};
