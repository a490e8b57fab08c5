/**
 * Matrix products large enough for several blocks in every direction, on one to three threads, with
 * every method, checked at sampled elements against double precision.
 */
import assert from "node:assert/strict";
import { binary, load } from "../../../kernels/expression.ts";
import type { MatmulStep, MatrixView } from "../../../kernels/ops/matmul/step.ts";
import type { Program } from "../../../kernels/program.ts";
import type { View } from "../../../kernels/view.ts";
import { contiguousStrides } from "../../../kernels/shape.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";

type Form = "N" | "T";

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch?: number;
  /** Unused elements at the end of every stored row. */
  readonly gap?: number;
  /** Adds the product to what the output holds. */
  readonly residual?: boolean;
}

const cases: Case[] = [
  // Packed: three blocks of the depth, two of the columns, several of the rows.
  { m: 203, n: 1103, k: 1601 },
  { m: 101, n: 62, k: 2049, gap: 3 },
  { m: 110, n: 33, k: 1700, residual: true },
  // Few rows: read in place, or as dot products.
  { m: 7, n: 1103, k: 203, gap: 1 },
  { m: 40, n: 129, k: 1001 },
  { m: 64, n: 95, k: 770, residual: true },
  { m: 1, n: 500, k: 1030 },
  // Tall, wide and shallow.
  { m: 1500, n: 3, k: 70 },
  { m: 1003, n: 12, k: 1 },
  { m: 33, n: 2050, k: 5, gap: 2 },
  { m: 65, n: 40, k: 90, batch: 5 },
];

function operand(rows: number, columns: number, form: Form, gap: number, buffer: number) {
  const [outer, inner] = form === "N" ? [rows, columns] : [columns, rows];
  const stride = inner + gap;
  const view: MatrixView = {
    buffer,
    offset: 0,
    batchStride: outer * stride,
    rowStride: form === "N" ? stride : 1,
    columnStride: form === "N" ? 1 : stride,
    dtype: "f32",
  };
  return { view, elements: outer * stride };
}

function wave(length: number, step: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * step));
}

function contiguousView(buffer: number, shape: number[]): View {
  return { buffer, offset: 0, shape, strides: contiguousStrides(shape), dtype: "f32" };
}

/** Positions along an axis: both ends, and some in between. */
function samples(size: number): number[] {
  const positions = [0, 1, 5, 6, 95, 96, 1023, 1024, size >> 1, size - 9, size - 2, size - 1];
  return [...new Set(positions.filter((i) => i >= 0 && i < size))];
}

function build({ m, n, k, batch = 1, gap = 0, residual = false }: Case, a: Form, b: Form) {
  const left = operand(m, k, a, gap, 0);
  const right = operand(k, n, b, gap, 1);
  const output = contiguousView(2, [batch, m, n]);
  const step: MatmulStep = {
    kind: "matmul",
    batch,
    m,
    n,
    k,
    a: left.view,
    b: right.view,
    output,
    epilogue: residual ? binary("add", load(0), load(1)) : undefined,
    epilogueInputs: residual ? [output] : [],
  };
  const program: Program = {
    name: "product",
    buffers: [
      { name: "a", kind: "input", dtype: "f32", elements: batch * left.elements },
      { name: "b", kind: "input", dtype: "f32", elements: batch * right.elements },
      { name: "c", kind: "state", dtype: "f32", elements: batch * m * n },
    ],
    steps: [step],
    arenaBytes: 0,
    slots: [],
  };
  return { program, step };
}

/** Largest error at the sampled elements, relative to the root of the depth. */
function worstError(
  { batch, m, n, k, a, b }: MatmulStep,
  values: { a: Float32Array; b: Float32Array; before: Float32Array; after: ArrayLike<number> },
  residual: boolean,
): number {
  let worst = 0;
  for (const p of samples(batch)) {
    for (const i of samples(m)) {
      for (const j of samples(n)) {
        const position = (p * m + i) * n + j;
        let sum = residual ? values.before[position] : 0;
        for (let l = 0; l < k; l++) {
          sum += values.a[p * a.batchStride + i * a.rowStride + l * a.columnStride] *
            values.b[p * b.batchStride + l * b.rowStride + j * b.columnStride];
        }
        worst = Math.max(worst, Math.abs(values.after[position] - sum) / Math.sqrt(k));
      }
    }
  }
  return worst;
}

for (const threads of [1, 2, 3]) {
  Deno.test(`products of several blocks are right in all forms, ${threads} threads`, async () => {
    const device = await createWasmDevice({ threads });
    try {
      for (const test of cases) {
        for (const [formA, formB] of [["N", "N"], ["N", "T"], ["T", "N"], ["T", "T"]] as const) {
          const { program, step } = build(test, formA, formB);
          const executable = await device.load(program);
          const [a, b, before] = program.buffers.map(({ elements }, i) =>
            wave(elements, [0.37, 0.73, 0.11][i])
          );
          executable.buffer("a").write(a);
          executable.buffer("b").write(b);
          executable.buffer("c").write(before);
          executable.run();
          const after = await executable.buffer("c").read();
          const error = worstError(step, { a, b, before, after }, test.residual ?? false);
          assert.ok(error < 2e-6, `${JSON.stringify(test)} ${formA}${formB}: error ${error}`);
          executable.destroy();
        }
      }
    } finally {
      device.close();
    }
  });
}
