/**
 * First values of parameters, drawn on the device: a function of the seed and the parameter's
 * position in the table only.
 *
 * @module
 */
import { multiply, subtract } from "../../kernels/ops/elementwise/op.ts";
import { reshape } from "../../kernels/ops/movement/op.ts";
import { randomNormal, randomUniform } from "../../kernels/ops/random/op.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { filled } from "../../kernels/graph/gradients.ts";
import { makeGraph, type Update } from "../../kernels/graph/graph.ts";
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { elementCount } from "../../kernels/shape.ts";
import { constantTensor, input, state, type Tensor } from "../../kernels/tensor.ts";
import type { Initializer, ParameterSpecification } from "../../nn/parameters.ts";
import { seedWords, streams } from "../../diffusion/streams.ts";

/** Writes the first values of all parameters into their buffers. */
export async function initializeParameters(
  device: Device,
  specifications: readonly ParameterSpecification[],
  buffers: ReadonlyMap<string, DeviceBuffer>,
  seed: number,
): Promise<void> {
  const seedTensor = input("seed", [2], "i32");
  const updates: Update[] = [];
  specifications.forEach(({ name, shape, initial }, index) => {
    if (initial.kind === "values") {
      buffers.get(name)!.write(initial.values());
      return;
    }
    const target = state(name, shape);
    const source = {
      seed: seedTensor,
      rows: constantTensor(Int32Array.of(index), [1]),
      draw: constantTensor(Int32Array.of(0), []),
      stream: streams.initialization,
    };
    updates.push({ state: target, value: initialValue(initial, target, source) });
  });
  const program = compile(makeGraph("initialize", { updates }));
  const executable = await device.load(program, buffers);
  const drawsNumbers = program.buffers.some(({ name }) => name === "seed");
  if (drawsNumbers) executable.buffer("seed").write(seedWords(seed));
  executable.run();
  await device.finish();
  executable.destroy();
}

function initialValue(
  initial: Exclude<Initializer, { kind: "values" }>,
  { shape }: Tensor,
  source: Parameters<typeof randomNormal>[0],
): Tensor {
  const row = [1, elementCount(shape)];
  switch (initial.kind) {
    case "zeros":
      return filled(0, shape);
    case "constant":
      return filled(initial.value, shape);
    case "normal":
      return reshape(multiply(randomNormal(source, row), initial.deviation), shape);
    case "uniform":
      return reshape(
        multiply(subtract(randomUniform(source, row), 0.5), 2 * initial.bound),
        shape,
      );
  }
}
