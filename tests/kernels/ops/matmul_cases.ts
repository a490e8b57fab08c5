/**
 * Cases for matrix products.
 *
 * @module
 */
import { binary, constant, type Expression, load, unary } from "../../../kernels/expression.ts";
import type { MatrixView } from "../../../kernels/ops/matmul/step.ts";
import type { View } from "../../../kernels/view.ts";
import type { Shape } from "../../../kernels/shape.ts";
import { broadcast, StepBuilder, type StepCase, transposed, unitRoundoff } from "./builder.ts";

/** Sizes of a product and how its factors are stored. */
export interface MatmulForm {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch?: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** One matrix serves every product of the batch. */
  readonly sharedA?: boolean;
  readonly sharedB?: boolean;
  /** Unused elements at the end of every row of the operands. */
  readonly gap?: number;
  /** The right factor is stored in half precision. */
  readonly half?: boolean;
  /** The right factor is a state, which a device may keep packed. */
  readonly weight?: boolean;
}

/** Roundings of a sum of k terms of random sign grow like the square root of k. */
const productTolerance = (k: number): number => (4 + 2 * Math.sqrt(k)) * unitRoundoff;

function matrix(
  b: StepBuilder,
  rows: number,
  columns: number,
  form: {
    batch: number;
    transpose: boolean;
    shared: boolean;
    gap: number;
    dtype: "f32" | "f16";
    weight?: boolean;
  },
): MatrixView {
  const [outer, inner] = form.transpose ? [columns, rows] : [rows, columns];
  const pitch = inner + form.gap;
  const matrices = form.shared ? 1 : form.batch;
  const shape = [matrices, outer, pitch];
  const { buffer, offset } = form.weight
    ? b.updated(shape)
    : form.dtype === "f16"
    ? b.halves(shape)
    : b.input(shape);
  return {
    buffer,
    offset,
    batchStride: form.shared ? 0 : outer * pitch,
    rowStride: form.transpose ? 1 : pitch,
    columnStride: form.transpose ? pitch : 1,
    dtype: form.dtype,
  };
}

function product(b: StepBuilder, form: MatmulForm): { a: MatrixView; b: MatrixView } {
  const { m, n, k, batch = 1, gap = 0 } = form;
  const { transposeA = false, transposeB = false, sharedA = false, sharedB = false } = form;
  return {
    a: matrix(b, m, k, { batch, transpose: transposeA, shared: sharedA, gap, dtype: "f32" }),
    b: matrix(b, k, n, {
      ...{ batch, transpose: transposeB, shared: sharedB, gap },
      dtype: form.half ? "f16" : "f32",
      weight: form.weight,
    }),
  };
}

/** One product without an epilogue. */
export function plainProduct(padding: number, form: MatmulForm): StepCase {
  const { m, n, k, batch = 1 } = form;
  const b = new StepBuilder(padding);
  const operands = product(b, form);
  const output = b.output(batch === 1 ? [m, n] : [batch, m, n]);
  const name = `${batch} x (${m}, ${k}) (${k}, ${n})` +
    `${form.transposeA ? " A^T" : ""}${form.transposeB ? " B^T" : ""}` +
    `${form.sharedA ? " shared A" : ""}${form.sharedB ? " shared B" : ""}` +
    `${form.gap ? ` gap ${form.gap}` : ""}${form.half ? " half" : ""}` +
    `${form.weight ? " weight" : ""}`;
  const step = { kind: "matmul", batch, m, n, k, ...operands, output, epilogueInputs: [] } as const;
  return b.build(name, step, productTolerance(k));
}

const shapes: readonly (readonly [m: number, n: number, k: number])[] = [
  [1, 1, 1],
  [1, 17, 3],
  [17, 1, 3],
  [3, 3, 17],
  [6, 8, 64],
  [7, 9, 1],
  [17, 33, 72],
  [64, 48, 32],
  [13, 100, 65],
  [97, 68, 130],
];

/** Matrix products. */
export function matmulCases(padding: number): StepCase[] {
  const cases: StepCase[] = [];
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      for (const [m, n, k] of shapes) {
        cases.push(plainProduct(padding, { m, n, k, transposeA, transposeB }));
      }
      const odd = { m: 7, n: 9, k: 13, transposeA, transposeB };
      cases.push(
        plainProduct(padding, { ...odd, gap: 5 }),
        plainProduct(padding, { ...odd, batch: 3 }),
        plainProduct(padding, { ...odd, batch: 3, gap: 3 }),
        plainProduct(padding, { ...odd, batch: 3, sharedA: true }),
        plainProduct(padding, { ...odd, batch: 3, sharedB: true }),
      );
    }
  }
  cases.push(
    plainProduct(padding, { m: 8, n: 20, k: 2000 }),
    plainProduct(padding, { m: 8, n: 20, k: 2000, transposeA: true }),
    plainProduct(padding, { m: 8, n: 20, k: 2000, transposeB: true }),
    // Long enough for two threads, too small for each to get a tile.
    plainProduct(padding, { m: 2, n: 5, k: 20_000 }),
    plainProduct(padding, { m: 2, n: 5, k: 20_000, transposeB: true }),
  );
  return [...cases, ...epilogueCases(padding), ...halfCases(padding), ...weightCases(padding)];
}

/** Weights that may be packed before the product: odd sizes, several blocks of the depth. */
function weightCases(padding: number): StepCase[] {
  const form = { transposeB: true, weight: true };
  return [
    plainProduct(padding, { m: 41, n: 1, k: 1, ...form }),
    plainProduct(padding, { m: 64, n: 50, k: 37, ...form }),
    plainProduct(padding, { m: 101, n: 35, k: 1541, gap: 3, ...form }),
    plainProduct(padding, { m: 50, n: 33, k: 19, transposeA: true, ...form }),
  ];
}

/** Right factors in half precision, with columns that are wide enough for several blocks. */
function halfCases(padding: number): StepCase[] {
  const half = true;
  return [false, true].flatMap((transposeB) => {
    const odd = { m: 7, n: 9, k: 13, transposeB, half };
    return [
      ...shapes.map(([m, n, k]) => plainProduct(padding, { m, n, k, transposeB, half })),
      plainProduct(padding, { ...odd, transposeA: true }),
      plainProduct(padding, { ...odd, gap: 5 }),
      plainProduct(padding, { ...odd, batch: 3, gap: 3 }),
      plainProduct(padding, { ...odd, batch: 3, sharedB: true }),
      plainProduct(padding, { m: 5, n: 83, k: 1003, transposeB, half }),
      plainProduct(padding, { m: 9, n: 84, k: 1000, transposeB, half }),
    ];
  });
}

const [x, y, z, w] = [0, 1, 2, 3].map((input) => load(input));
const add = (a: Expression, b: Expression): Expression => binary("add", a, b);
const multiply = (a: Expression, b: Expression): Expression => binary("multiply", a, b);

/** Bias, activation, gate and residual fused into a product. */
function epilogueCases(padding: number): StepCase[] {
  const [batch, m, n, k] = [2, 9, 22, 31];
  const make = (
    name: string,
    epilogue: Expression,
    views: (b: StepBuilder, shape: Shape) => { inputs: View[]; output: View },
    shape: Shape = [batch, m, n],
    form: Partial<MatmulForm> = {},
  ): StepCase => {
    const b = new StepBuilder(padding);
    const operands = product(b, { m, n, k, batch, ...form });
    const { inputs: epilogueInputs, output } = views(b, shape);
    const step = {
      kind: "matmul",
      batch,
      m,
      n,
      k,
      ...operands,
      output,
      epilogue,
      epilogueInputs,
    } as const;
    return b.build(`epilogue: ${name}`, step, productTolerance(k) + 16 * unitRoundoff);
  };
  const bias = (b: StepBuilder, shape: Shape): View => b.input(broadcast([1, 1, n], shape));
  return [
    make("scale", multiply(x, constant(0.125)), (b, shape) => ({
      inputs: [],
      output: b.output(shape),
    })),
    make("bias", add(x, y), (b, shape) => ({ inputs: [bias(b, shape)], output: b.output(shape) })),
    make("bias, wide rank", add(x, y), (b) => ({
      inputs: [b.input(broadcast([1, 1, 1, n], [2, 3, 3, n]))],
      output: b.output([2, 3, 3, n]),
    }), [2, 3, 3, n]),
    make("bias per row", add(x, y), (b, shape) => ({
      inputs: [b.input(broadcast([batch, m, 1], shape))],
      output: b.output(shape),
    })),
    make(
      "bias and logistic gate",
      multiply(add(x, y), unary("sigmoid", add(x, y))),
      (b, shape) => ({
        inputs: [bias(b, shape)],
        output: b.output(shape),
      }),
    ),
    make("bias, gate and residual", add(w, multiply(z, add(x, y))), (b, shape) => ({
      inputs: [bias(b, shape), b.input(broadcast([batch, 1, n], shape)), b.input(shape)],
      output: b.output(shape),
    })),
    make("residual in place", add(y, x), (b, shape) => {
      const output = b.updated(shape);
      return { inputs: [output], output };
    }),
    make(
      "residual in place, half",
      add(y, x),
      (b, shape) => {
        const output = b.updated(shape);
        return { inputs: [output], output };
      },
      [batch, m, n],
      { transposeB: true, half: true },
    ),
    make("transposed residual", add(y, x), (b, shape) => ({
      inputs: [b.input(transposed([batch, n, m], [0, 2, 1]))],
      output: b.output(shape),
    })),
  ];
}
