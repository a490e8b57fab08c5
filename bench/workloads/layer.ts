/**
 * Convolutions and group norms by themselves, at the sizes that autoencoders have, as work to be
 * timed.
 *
 * @module
 */
import { ripple } from "../../base/ripple.ts";
import type { Device } from "../../kernels/device.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { gradients } from "../../kernels/graph/gradients.ts";
import { type Graph, graphInputs, makeGraph } from "../../kernels/graph/graph.ts";
import { convolution } from "../../kernels/ops/convolution/op.ts";
import { silu } from "../../kernels/ops/elementwise/op.ts";
import { groupNorm } from "../../kernels/ops/group_norm/op.ts";
import type { FloatType } from "../../kernels/shape.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import { groups, type Layer, type LayerPass } from "../layers.ts";
import { type Job, macsOf } from "./workload.ts";

/** Zeros that keep the size of a layer's input; all of them before it along time. */
function padding(kernel: readonly number[]): [number, number][] {
  return kernel.map((size, axis) => {
    const before = kernel.length === 3 && axis === 0 ? size - 1 : Math.floor((size - 1) / 2);
    return [before, size - 1 - before];
  });
}

/** A layer on a device, on activations as that keeps them. */
export async function loadLayer(device: Device, pass: LayerPass, layer: Layer): Promise<Job> {
  const graph = layerGraph(pass, layer, device.activations);
  const executable = await device.load(compile(graph, device));
  for (const [index, name] of [...graphInputs(graph)].entries()) {
    const buffer = executable.buffer(name);
    buffer.write(ripple(buffer.elements, index + 1));
  }
  return { run: () => executable.run(), macs: macsOf(graph) };
}

function layerGraph(
  pass: LayerPass,
  { name, kernel, channels, sizes }: Layer,
  activations: FloatType | undefined,
): Graph {
  const x = input("input", [1, ...sizes, channels[0]], activations);
  return typeof kernel === "string"
    ? normGraph(name, pass, x, kernel === "norm-silu")
    : convolutionGraph(name, pass, x, channels[1], kernel);
}

function convolutionGraph(
  name: string,
  pass: LayerPass,
  x: Tensor,
  channels: number,
  kernel: readonly number[],
): Graph {
  const weight = input("weight", [channels, x.shape[x.shape.length - 1], ...kernel]);
  const output = convolution(x, weight, undefined, { padding: padding(kernel) });
  if (pass === "forward") return makeGraph(name, { outputs: { output } });
  const [dInput, dWeight] = gradients(
    output,
    [x, weight],
    input("cotangent", output.shape, x.dtype),
  );
  return makeGraph(name, { outputs: { dInput, dWeight } });
}

function normGraph(name: string, pass: LayerPass, x: Tensor, activated: boolean): Graph {
  const channels = x.shape[x.shape.length - 1];
  const [weight, bias] = ["weight", "bias"].map((one) => input(one, [channels]));
  const normalized = groupNorm(x, groups, 1e-6, { weight, bias });
  const output = activated ? silu(normalized) : normalized;
  if (pass === "forward") return makeGraph(name, { outputs: { output } });
  const cotangent = input("cotangent", output.shape, x.dtype);
  const [dInput, dWeight, dBias] = gradients(output, [x, weight, bias], cotangent);
  return makeGraph(name, { outputs: { output, dInput, dWeight, dBias } });
}
