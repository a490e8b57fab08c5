/**
 * Attention and its gradient give the same bits on any number of threads, though few heads are
 * divided differently among them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { StepBuilder, type StepCase } from "../ops/builder.ts";

/** What attention is given besides queries, keys and values. */
interface Given {
  /** Lengths of the images of a packed sequence. */
  readonly images?: readonly number[];
  /** Sizes of the window that has relative biases. */
  readonly window?: readonly number[];
}

/** Forward and backward step in one program. */
function attentionCase(length: number, heads: number, { images, window }: Given): StepCase {
  const b = new StepBuilder(0);
  const table = window && [heads, ...window.map((size) => 2 * size - 1)];
  const shape = [1, length, heads, 24];
  const ids = images?.flatMap((size, image) => new Array<number>(size).fill(image));
  const segments = ids && b.integers([1, length], [...ids, ...new Array(length).fill(-1)]);
  const operands = {
    query: b.input(shape),
    key: b.input(shape),
    value: b.input(shape),
    querySegments: segments,
    keySegments: segments,
    scale: 0.5,
    bias: table && b.input(table),
    output: b.output(shape),
    logSumExp: b.output([1, heads, length]),
  };
  const forward = { kind: "attention", ...operands } as const;
  const backward = {
    kind: "attentionGradient",
    ...operands,
    outputGradient: b.input(shape),
    rowDot: b.output([1, heads, length]),
    queryGradient: b.output(shape),
    keyGradient: b.output(shape),
    valueGradient: b.output(shape),
    biasGradient: table && b.output([1, ...table]),
  } as const;
  const test = b.build("attention and gradient", forward, 0);
  return { ...test, program: { ...test.program, steps: [forward, backward] } };
}

/** All results, as they lie in memory. */
async function results(test: StepCase, threads: number): Promise<Uint32Array[]> {
  const device = await createWasmDevice({ threads });
  try {
    const executable = await device.load(test.program);
    for (const [name, data] of [...test.inputs, ...test.states]) {
      executable.buffer(name).write(data);
    }
    executable.run();
    const read = [...test.states.keys()].map((name) => executable.buffer(name).read());
    return (await Promise.all(read)).map((data) => new Uint32Array(new Float32Array(data).buffer));
  } finally {
    device.close();
  }
}

const cases: Record<string, Given> = {
  "attention": {},
  "packed attention": { images: [100, 3, 1, 220, 90, 5, 7, 190] },
  "attention in a window": { window: [5, 8, 16] },
  "packed attention in a window": { images: [100, 3, 1, 220, 90, 226], window: [5, 8, 16] },
};
for (const [form, given] of Object.entries(cases)) {
  for (const heads of [1, 2]) {
    const name = `${form}, ${heads} head${heads > 1 ? "s" : ""}`;
    Deno.test(`threads do not change a bit of ${name}`, async () => {
      const test = attentionCase(640, heads, given);
      const expected = await results(test, 1);
      assert.equal(expected.length, given.window ? 7 : 6);
      for (const threads of [2, 3, 5]) {
        assert.deepEqual(await results(test, threads), expected, `${threads} threads`);
      }
    });
  }
}
