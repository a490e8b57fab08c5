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
import { setRowPointers } from "../../wasm/addressing.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/assembler.ts";
import { collapseAxes, type LoopNest, nestName } from "../../wasm/collapse.ts";
import {
  accumulators,
  combine,
  forEachVector,
  loadRow,
  maskRow,
  type RowVector,
  storeRow,
} from "../../wasm/lanes.ts";
import type { Phase, WasmContext, WasmLowering } from "../../wasm/lowering.ts";
import { horizontalSum } from "../../wasm/math.ts";
import { splitEvenly, splitPhase } from "../../wasm/split.ts";
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

/** Pushes the sum of the accumulators divided by the width, as a scalar. */
function mean(f: FunctionBuilder, sums: readonly Local[], width: number): void {
  combine(f, sums, "f32x4Add");
  horizontalSum(f).f32Const(width).f32Div();
}

/** Sums `term` (which pushes a vector) over the row into fresh accumulators. */
function rowSums(
  f: FunctionBuilder,
  sums: readonly Local[],
  width: number,
  starts: readonly Local[],
  term: (vector: RowVector, pointers: readonly Local[], sum: Local) => void,
): void {
  for (const sum of sums) f.f32x4Const(0).set(sum);
  forEachVector(f, width, starts, unroll, (vector, pointers) => {
    const sum = sums[vector.slot % sums.length];
    term(vector, pointers, sum);
    f.set(sum);
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
    const scalar = f.local("f32");

    rowSums(f, sums, width, [input], (vector, [p], sum) => {
      loadRow(f, p, vector);
      f.get(sum).f32x4Add();
    });
    mean(f, sums, width);
    f.tee(scalar).f32x4Splat().set(average);
    if (statistics) f.get(statistics).get(scalar).f32Store(0);

    rowSums(f, sums, width, [input], (vector, [p], sum) => {
      loadRow(f, p, vector);
      f.get(average).f32x4Sub();
      maskRow(f, vector);
      f.tee(x).get(x).get(sum).f32x4MultiplyAdd();
    });
    f.f32Const(1);
    mean(f, sums, width);
    f.f32Const(epsilon).f32Add().f32Sqrt().f32Div().tee(scalar).f32x4Splat().set(deviation);
    if (statistics) f.get(statistics).get(scalar).f32Store(4);

    const modulation = operand.has("scale") ? [operand.get("scale")!, operand.get("shift")!] : [];
    const starts = [input, operand.get("output")!, ...modulation];
    forEachVector(f, width, starts, unroll, (vector, [from, to, scale, shift]) => {
      storeRow(f, to, vector, () => {
        loadRow(f, from, vector);
        f.get(average).f32x4Sub().get(deviation).f32x4Mul();
        if (!scale) return;
        loadRow(f, scale, vector);
        f.f32x4Const(1).f32x4Add();
        loadRow(f, shift, vector);
        f.f32x4MultiplyAdd();
      });
    });
  });
}

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
    f.get(statistics).v128Load32Splat(0).set(average);
    f.get(statistics).v128Load32Splat(4).set(deviation);

    // Leaves g = outputGradient * (1 + scale) and the normalised input in their locals.
    const terms = (vector: RowVector, x: Local, gradient: Local, scale: Local | undefined) => {
      loadRow(f, gradient, vector);
      if (scale) {
        loadRow(f, scale, vector);
        f.f32x4Const(1).f32x4Add().f32x4Mul();
      }
      f.set(g);
      loadRow(f, x, vector);
      f.get(average).f32x4Sub().get(deviation).f32x4Mul().set(normalized);
    };

    for (const sum of [...gradientSums, ...productSums]) f.f32x4Const(0).set(sum);
    const read = [input, operand.get("outputGradient")!, ...scaleRow];
    forEachVector(f, width, read, unroll, (vector, [x, gradient, scale]) => {
      terms(vector, x, gradient, scale);
      const [sum, product] = [gradientSums[vector.slot % 2], productSums[vector.slot % 2]];
      // Lanes past the row have g = 0 and add nothing.
      f.get(g).get(sum).f32x4Add().set(sum);
      f.get(g).get(normalized).get(product).f32x4MultiplyAdd().set(product);
    });
    mean(f, gradientSums, width);
    f.f32x4Splat().set(meanGradient);
    mean(f, productSums, width);
    f.f32x4Splat().set(meanProduct);

    const addendRow = operand.has("addend") ? [operand.get("addend")!] : [];
    const starts = [operand.get("output")!, ...read, ...addendRow];
    forEachVector(f, width, starts, unroll, (vector, [to, x, gradient, ...others]) => {
      const scale = scaleRow.length > 0 ? others[0] : undefined;
      const addend = addendRow.length > 0 ? others.at(-1) : undefined;
      terms(vector, x, gradient, scale);
      storeRow(f, to, vector, () => {
        f.get(normalized).get(meanProduct).get(g).get(meanGradient).f32x4Sub();
        f.f32x4NegativeMultiplyAdd().get(deviation);
        if (!addend) {
          f.f32x4Mul();
          return;
        }
        loadRow(f, addend, vector);
        f.f32x4MultiplyAdd();
      });
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
