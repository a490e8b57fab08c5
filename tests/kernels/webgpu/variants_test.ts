/**
 * Every variant of the matrix product and of the reduction, and element-wise steps, against the
 * reference, on a device with nothing but the specification's default limits.
 *
 * @module
 */
import assert from "node:assert/strict";
import { load } from "../../../kernels/expression.ts";
import type { MatmulStep } from "../../../kernels/ops/matmul/step.ts";
import { matmulVariants } from "../../../kernels/ops/matmul/wgsl.ts";
import { takesFewerCases } from "../../scale.ts";
import { StepBuilder, type StepCase, unitRoundoff } from "../ops/builder.ts";
import { everyCase, oneInForms } from "../ops/cases.ts";
import { matmulCases } from "../ops/matmul_cases.ts";
import { elementwiseCases, reduceCases } from "../ops/tensor_cases.ts";
import { failuresOf, gpuTest, runCase } from "./cases.ts";

interface Sizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/**
 * @param layout for each operand N, or T where its rows lie across memory
 * @param dtype how the right operand is stored
 */
function product(
  padding: number,
  layout: string,
  { batch, m, n, k }: Sizes,
  dtype: "f32" | "f16" = "f32",
): StepCase {
  const b = new StepBuilder(padding);
  const [leftTransposed, rightTransposed] = [...layout].map((letter) => letter === "T");
  const left = b.input(leftTransposed ? [batch, k, m] : [batch, m, k]);
  const rightShape = rightTransposed ? [n, k] : [k, n];
  const right = dtype === "f16" ? b.halves(rightShape) : b.input(rightShape);
  const strides = (transposed: boolean, rows: number, columns: number) => ({
    rowStride: transposed ? 1 : columns,
    columnStride: transposed ? rows : 1,
  });
  const step: MatmulStep = {
    kind: "matmul",
    ...{ batch, m, n, k },
    a: {
      ...{ buffer: left.buffer, offset: padding, batchStride: m * k },
      ...strides(leftTransposed, m, k),
      dtype: "f32",
    },
    b: {
      ...{ buffer: right.buffer, offset: padding, batchStride: 0 },
      ...strides(rightTransposed, k, n),
      dtype,
    },
    output: b.output([batch, m, n]),
    epilogueInputs: [],
  };
  return b.build(
    `${batch} x (${m}, ${k}) (${k}, ${n}) ${layout} ${dtype}, padding ${padding}`,
    step,
    k * unitRoundoff,
  );
}

/** Products that need several windows, or the larger tiles, with ragged ends. */
const large = [
  product(0, "NN", { batch: 1, m: 137, n: 260, k: 300 }),
  product(3, "NT", { batch: 1, m: 137, n: 260, k: 300 }),
  product(3, "NN", { batch: 16, m: 66, n: 70, k: 9 }),
  product(0, "NT", { batch: 16, m: 130, n: 140, k: 12 }),
  product(0, "TN", { batch: 2, m: 300, n: 52, k: 60 }),
  product(0, "TT", { batch: 3, m: 148, n: 36, k: 8 }),
  product(0, "NT", { batch: 1, m: 6, n: 200, k: 128 }),
  product(0, "TN", { batch: 2, m: 8, n: 76, k: 132 }),
  product(0, "NT", { batch: 1, m: 137, n: 260, k: 300 }, "f16"),
  product(3, "NT", { batch: 2, m: 66, n: 70, k: 9 }, "f16"),
  product(0, "NN", { batch: 1, m: 130, n: 140, k: 12 }, "f16"),
];

/** All cases of a kind; on an emulated GPU one form in `every`, once. */
async function chooseCases(
  make: (padding: number) => StepCase[],
  every = 1,
): Promise<StepCase[]> {
  const cases = everyCase(make);
  return await takesFewerCases() ? oneInForms(cases, every) : cases;
}

for (const variant of matmulVariants) {
  const options = { specFloor: true, variants: { matmul: variant } };
  gpuTest(`matmul variant ${variant} at the spec floor`, options, async (device) => {
    // Tiles take longest to compile.
    const cases = [...await chooseCases(matmulCases, variant === "tiles" ? 2 : 1), ...large];
    const failures = await failuresOf(`matmul ${variant}`, device, cases);
    assert.deepEqual(failures, []);
  });
}

for (const variant of ["threads", "groups"]) {
  const options = { specFloor: true, variants: { reduce: variant } };
  gpuTest(`reduce variant ${variant} at the spec floor`, options, async (device) => {
    const cases = await chooseCases(reduceCases);
    const failures = await failuresOf(`reduce ${variant}`, device, cases);
    assert.deepEqual(failures, []);
  });

  gpuTest(`long sums stay accurate with variant ${variant}`, options, async (device) => {
    const count = 300_001;
    const b = new StepBuilder(0);
    const input = b.input([count], (x) => Math.fround(0.1 + 1e-3 * x));
    const output = b.output([]);
    const step = {
      kind: "reduce",
      operator: "sum",
      inputs: [input],
      expression: load(0),
      finish: load(0),
      output,
    } as const;
    // A running single-precision sum is off by 1e-4 here.
    const test = b.build("long sum", step, 8 * unitRoundoff);
    assert.deepEqual(await failuresOf(`long sum, ${variant}`, device, [test]), []);
  });
}

gpuTest("element-wise steps at the spec floor", { specFloor: true }, async (device) => {
  const cases = await chooseCases(elementwiseCases);
  assert.deepEqual(await failuresOf("element-wise", device, cases), []);
});

gpuTest(
  "an unknown variant is refused by name",
  { variants: { matmul: "magic" } },
  async (device) => {
    await assert.rejects(
      runCase(device, large[0]),
      /matmul has no variant "magic" \(it has simple, tiles, windows, direct\)/,
    );
  },
);
