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

/** A layer on a device, with numbers to work on. */
export async function loadLayer(device: Device, pass: LayerPass, layer: Layer): Promise<Job> {
  const graph = layerGraph(pass, layer);
  const executable = await device.load(compile(graph));
  for (const [index, name] of [...graphInputs(graph)].entries()) {
    const buffer = executable.buffer(name);
    buffer.write(ripple(buffer.elements, index + 1));
  }
  return { run: () => executable.run(), macs: macsOf(graph) };
}

function layerGraph(pass: LayerPass, layer: Layer): Graph {
  const { kernel, channels: [inputs, outputs], sizes } = layer;
  const x = input("input", [1, ...sizes, inputs]);
  const weight = input("weight", kernel ? [outputs, inputs, ...kernel] : [outputs]);
  const bias = input("bias", [outputs]);
  const output = kernel
    ? convolution(x, weight, undefined, { padding: padding(kernel) })
    : silu(groupNorm(x, groups, 1e-6, { weight, bias }));
  if (pass === "forward") return makeGraph(layer.name, { outputs: { output } });
  const operands = kernel ? [x, weight] : [x, weight, bias];
  const found = gradients(output, operands, input("cotangent", output.shape));
  const names = ["dInput", "dWeight", "dBias"];
  const outputsOf: [string, Tensor][] = found.map((tensor, i) => [names[i], tensor]);
  if (!kernel) outputsOf.push(["output", output]);
  return makeGraph(layer.name, { outputs: Object.fromEntries(outputsOf) });
}
