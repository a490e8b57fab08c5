/** The CPU device as a whole: memory, bindings, errors, agreement between numbers of threads. */
import assert from "node:assert/strict";
import type { Device, Executable } from "../../../kernels/device.ts";
import { binary, constant, load, unary } from "../../../kernels/expression.ts";
import type { ElementwiseStep } from "../../../kernels/ops/elementwise/step.ts";
import type { MatmulStep } from "../../../kernels/ops/matmul/step.ts";
import type { BufferSpecification, Program, Step } from "../../../kernels/program.ts";
import type { View } from "../../../kernels/view.ts";
import { contiguousStrides, elementCount, type Shape } from "../../../kernels/shape.ts";
import { createWasmDevice, type WasmDeviceOptions } from "../../../kernels/wasm/device.ts";

async function withDevice(
  options: WasmDeviceOptions,
  body: (device: Device) => Promise<void>,
): Promise<void> {
  const device = await createWasmDevice(options);
  try {
    await body(device);
  } finally {
    device.close();
  }
}

function view(buffer: number, shape: Shape): View {
  return { buffer, offset: 0, shape, strides: contiguousStrides(shape), dtype: "f32" };
}

function specification(
  name: string,
  kind: BufferSpecification["kind"],
  shape: Shape,
  arenaOffset?: number,
): BufferSpecification {
  return { name, kind, dtype: "f32", elements: elementCount(shape), arenaOffset };
}

const [rows, inner, columns] = [37, 45, 71];

/** total = sum(sigmoid(x w)), count += 1: a product, a chunked reduction, a state, temporaries. */
function exampleProgram(): Program {
  const product: MatmulStep = {
    kind: "matmul",
    batch: 1,
    m: rows,
    n: columns,
    k: inner,
    a: { buffer: 0, offset: 0, batchStride: 0, rowStride: inner, columnStride: 1, dtype: "f32" },
    b: { buffer: 1, offset: 0, batchStride: 0, rowStride: 1, columnStride: inner, dtype: "f32" },
    output: view(2, [rows, columns]),
    epilogue: unary("sigmoid", load(0)),
    epilogueInputs: [],
  };
  return {
    name: "example",
    buffers: [
      specification("x", "input", [rows, inner]),
      specification("w", "state", [columns, inner]),
      specification("y", "temporary", [rows, columns], 128),
      specification("total", "output", []),
      specification("count", "state", []),
    ],
    steps: [
      product,
      {
        kind: "reduce",
        operator: "sum",
        inputs: [view(2, [rows, columns])],
        expression: load(0),
        finish: load(0),
        output: view(3, []),
      },
      {
        kind: "elementwise",
        inputs: [view(4, [])],
        expression: binary("add", load(0), constant(1)),
        output: view(4, []),
      },
    ],
    arenaBytes: 128 + 4 * rows * columns,
    slots: [],
  };
}

function wave(length: number, step: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * step));
}

function fill(executable: Executable): void {
  executable.buffer("x").write(wave(rows * inner, 0.37));
  executable.buffer("w").write(wave(columns * inner, 0.11));
}

function expectedTotal(): number {
  const [x, w] = [wave(rows * inner, 0.37), wave(columns * inner, 0.11)];
  let total = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let l = 0; l < inner; l++) sum += x[i * inner + l] * w[j * inner + l];
      total += 1 / (1 + Math.exp(-sum));
    }
  }
  return total;
}

for (const threads of [1, 2, 3]) {
  Deno.test(`a program runs a thousand times in constant memory, ${threads} threads`, async () => {
    await withDevice({ threads }, async (device) => {
      const before = device.allocatedBytes;
      const executable = await device.load(exampleProgram());
      fill(executable);
      const loaded = device.allocatedBytes;
      const expectedBytes = 4 * (rows * inner + columns * inner + 1 + 1) + 128 + 4 * rows * columns;
      assert.equal(loaded - before, expectedBytes);
      for (let run = 0; run < 1000; run++) executable.run();
      await device.finish();
      assert.equal(device.allocatedBytes, loaded);
      assert.equal(device.peakBytes, loaded);
      const [total] = await executable.buffer("total").read();
      assert.ok(Math.abs(total / expectedTotal() - 1) < 1e-6);
      assert.deepEqual([...await executable.buffer("count").read()], [1000]);
      executable.destroy();
      assert.equal(device.allocatedBytes, before);
      assert.throws(() => executable.run(), /program example has been destroyed/);
    });
  });
}

for (const threads of [1, 2, 3]) {
  Deno.test(`transpositions in strips copy every element once, ${threads} threads`, async () => {
    await withDevice({ threads }, async (device) => {
      for (const [height, width] of [[77, 133], [200, 45], [3, 5000], [2500, 17]]) {
        const step: ElementwiseStep = {
          kind: "elementwise",
          inputs: [{ ...view(0, [width, height]), strides: [1, width] }],
          expression: binary("add", load(0), constant(1)),
          output: view(1, [width, height]),
        };
        const executable = await device.load({
          name: "transposition",
          buffers: [
            specification("x", "input", [height, width]),
            specification("y", "output", [width, height]),
          ],
          steps: [step],
          arenaBytes: 0,
          slots: [],
        });
        executable.buffer("x").write(Float32Array.from({ length: height * width }, (_, i) => i));
        executable.run();
        const result = await executable.buffer("y").read();
        const expected = Array.from(
          { length: height * width },
          (_, i) => (i % height) * width + Math.floor(i / height) + 1,
        );
        assert.deepEqual([...result], expected);
        executable.destroy();
      }
    });
  });
}

Deno.test("results do not depend on the number of threads", async () => {
  const shape = [300, 700];
  const program: Program = {
    name: "sums",
    buffers: [specification("x", "input", shape), specification("total", "output", [])],
    steps: [{
      kind: "reduce",
      operator: "sum",
      inputs: [view(0, shape)],
      expression: binary("multiply", load(0), load(0)),
      finish: unary("squareRoot", load(0)),
      output: view(1, []),
    }],
    arenaBytes: 0,
    slots: [],
  };
  const totals: number[] = [];
  for (const threads of [1, 2, 3]) {
    await withDevice({ threads }, async (device) => {
      const executable = await device.load(program);
      executable.buffer("x").write(wave(elementCount(shape), 0.7));
      executable.run();
      totals.push((await executable.buffer("total").read())[0]);
    });
  }
  assert.equal(totals[1], totals[0]);
  assert.equal(totals[2], totals[0]);
  assert.ok(Math.abs(totals[0] - Math.sqrt(elementCount(shape) / 2)) < 0.05);
});

Deno.test("states are shared between programs and outlive them", async () => {
  await withDevice({ threads: 2 }, async (device) => {
    const count = device.createBuffer("count", "f32", 1);
    for (let round = 0; round < 3; round++) {
      const executable = await device.load(exampleProgram(), new Map([["count", count]]));
      executable.run();
      executable.destroy();
    }
    assert.deepEqual([...await count.read()], [3]);
    const executable = await device.load(exampleProgram(), new Map([["count", count]]));
    count.destroy();
    // Otherwise it would write to whatever has the memory now.
    assert.throws(() => executable.run(), /buffer count has been destroyed/);
    await assert.rejects(async () => await count.read(), /count has been destroyed/);
  });
});

/** y = x w for more rows than are multiplied in place, and w += 1. */
function weightPrograms(): { product: Program; change: Program } {
  const [m, n, k] = [48, 20, 33];
  const shapes = { x: [m, k], w: [n, k], y: [m, n] };
  const product: MatmulStep = {
    kind: "matmul",
    batch: 1,
    m,
    n,
    k,
    a: { buffer: 0, offset: 0, batchStride: 0, rowStride: k, columnStride: 1, dtype: "f32" },
    b: { buffer: 1, offset: 0, batchStride: 0, rowStride: 1, columnStride: k, dtype: "f32" },
    output: view(2, shapes.y),
    epilogueInputs: [],
  };
  const change: ElementwiseStep = {
    kind: "elementwise",
    inputs: [view(0, shapes.w)],
    expression: binary("add", load(0), constant(1)),
    output: view(0, shapes.w),
    inPlace: [],
  };
  const weight = specification("w", "state", shapes.w);
  const buffers = [
    specification("x", "input", shapes.x),
    weight,
    specification("y", "output", shapes.y),
  ];
  const plan = { arenaBytes: 0, slots: [] };
  return {
    product: { name: "product", buffers, steps: [product], ...plan },
    change: { name: "change", buffers: [weight], steps: [change], ...plan },
  };
}

Deno.test("a packed weight follows every change of the weight", async () => {
  await withDevice({ threads: 2 }, async (device) => {
    const { product, change } = weightPrograms();
    const temporaries = device.kind.temporaries(product).reduce((sum, bytes) => sum + bytes);
    assert(temporaries > 0, "the weight is packed");
    const weight = device.createBuffer("w", "f32", 20 * 33);
    const bindings = new Map([["w", weight]]);
    const [executable, changer] = [
      await device.load(product, bindings),
      await device.load(change, bindings),
    ];
    executable.buffer("x").write(new Float32Array(48 * 33).fill(1));
    const result = async (): Promise<number[]> => {
      executable.run();
      return [...new Set(await executable.buffer("y").read())];
    };
    assert.deepEqual(await result(), [0]);
    changer.run();
    assert.deepEqual(await result(), [33]);
    assert.deepEqual(await result(), [33]);
    weight.write(new Float32Array(20 * 33).fill(-2));
    assert.deepEqual(await result(), [-66]);
    weight.write(new Float32Array(20 * 32).fill(-1), 20);
    assert.deepEqual(await result(), [-53, -33]);
  });
});

Deno.test("mistakes are named", async () => {
  await withDevice({ threads: 1 }, async (device) => {
    assert.throws(() => device.createBuffer("x", "f32", 0), /buffer x cannot have 0 elements/);
    const x = device.createBuffer("x", "f32", 4);
    assert.throws(() => x.write(new Float32Array(3), 2), /x: 3 elements at 2 do not fit 4/);
    assert.throws(() => x.write(new Int32Array(3)), /x holds f32, not Int32Array/);
    assert.throws(
      () => device.createBuffer("weights", "f32", 2 ** 30),
      /out of memory: weights needs 4096.0 MiB/,
    );
    const before = device.allocatedBytes;
    await assert.rejects(
      device.load(exampleProgram(), new Map([["x", x]])),
      /x: bound to 4 elements of f32, needs 1665 of f32/,
    );
    assert.equal(device.allocatedBytes, before);
    const executable = await device.load(exampleProgram());
    assert.throws(() => executable.buffer("y"), /example has no input, state or output y/);
  });
  await assert.rejects(createWasmDevice({ threads: 0 }), /threads must be between 1 and 256/);
});

Deno.test("strict mathematics is reported and correct", async () => {
  await withDevice({ threads: 1, strictMath: true }, async (device) => {
    assert.match(device.description, /1 thread, WebAssembly strict SIMD/);
    const executable = await device.load(exampleProgram());
    fill(executable);
    executable.run();
    const [total] = await executable.buffer("total").read();
    assert.ok(Math.abs(total / expectedTotal() - 1) < 1e-6);
  });
});

Deno.test("running after close is an error", async () => {
  const device = await createWasmDevice({ threads: 2 });
  const executable = await device.load(exampleProgram());
  device.close();
  assert.throws(() => executable.run(), /the device is closed/);
});

Deno.test("kernels work beyond two gibibytes", async () => {
  await withDevice({ threads: 2 }, async (device) => {
    // Never touched, so that no memory is committed.
    const low = device.createBuffer("low", "f32", 2 ** 29 + 2 ** 27);
    const executable = await device.load(exampleProgram());
    fill(executable);
    executable.run();
    const [total] = await executable.buffer("total").read();
    assert.ok(Math.abs(total / expectedTotal() - 1) < 1e-6);
    low.destroy();
  });
});

Deno.test("a program that leaves its buffers is refused", async () => {
  const program = exampleProgram();
  const [product, sum] = program.steps as [MatmulStep, Step];
  const refused: [Partial<MatmulStep>, RegExp][] = [
    [{ m: rows + 1 }, /matmul: 1 products of 38 x 71 into \(37, 71\)/],
    [{ k: inner + 1 }, /buffer x: a view reaches element 1665 of 1665/],
    [{ a: { ...product.a, offset: 1 } }, /buffer x: a view reaches element 1665 of 1665/],
    [{ a: { ...product.a, offset: -1 } }, /buffer x: .* offset -1/],
    [{ b: { ...product.b, columnStride: inner + 0.5 } }, /buffer w: .* strides \(0, 1, 45.5\)/],
    [{ b: { ...product.b, dtype: "f16" } }, /buffer w: a view of f16 on f32/],
    [{ b: { ...product.b, buffer: 9 } }, /a view names buffer 9, which does not exist/],
    [{ a: { ...product.a, columnStride: 2 } }, /strides 45 and 2, of which none is 1/],
    [{ output: view(3, [rows, columns]) }, /buffer total: a view reaches element 2626 of 1/],
    [{ output: { ...product.output, strides: [1, rows] } }, /not those of contiguous/],
  ];
  await withDevice({ threads: 2 }, async (device) => {
    const before = device.allocatedBytes;
    for (const [change, message] of refused) {
      const steps = [{ ...product, ...change }, sum];
      await assert.rejects(device.load({ ...program, steps }), message);
    }
    for (const arenaBytes of [0, program.arenaBytes - 4]) {
      await assert.rejects(device.load({ ...program, arenaBytes }), /buffer y: bytes 128 to 10636/);
    }
    const homeless = program.buffers.map((buffer) => ({ ...buffer, arenaOffset: undefined }));
    await assert.rejects(
      device.load({ ...program, buffers: homeless }),
      /buffer y has no memory/,
    );
    const unused = { ...program.buffers[2], kind: "temporary", arenaOffset: undefined } as const;
    const roomy = { ...program, buffers: [...program.buffers, unused] };
    (await device.load(roomy)).destroy();
    assert.equal(device.allocatedBytes, before);
  });
});
