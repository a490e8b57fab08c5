/**
 * Attention by itself, in packed sequences, as work to be timed.
 *
 * @module
 */
import type { Device } from "../../kernels/device.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { gradients } from "../../kernels/graph/gradients.ts";
import { type Graph, makeGraph } from "../../kernels/graph/graph.ts";
import { attention } from "../../kernels/ops/attention/op.ts";
import { multiply } from "../../kernels/ops/elementwise/op.ts";
import { reduceSum } from "../../kernels/ops/reduce/op.ts";
import type { FloatType } from "../../kernels/shape.ts";
import { input } from "../../kernels/tensor.ts";
import { type Job, macsOf } from "./workload.ts";
import { ripple } from "../../base/ripple.ts";

/** What attention can be timed at: `gradient` includes the forward pass that it needs. */
export type AttentionOperation = "forward" | "gradient";

/** Packed sequences. */
export interface AttentionSize {
  /** How many; one unless told. */
  readonly batch?: number;
  /** Length of a sequence. */
  readonly tokens: number;
  /** Images it is divided into, as evenly as possible; at most `tokens`. */
  readonly images: number;
  /** Heads of the attention. */
  readonly heads: number;
  /** Width of a head. */
  readonly width: number;
  /** Sides of a window whose places are the tokens; with it, scores have relative biases. */
  readonly window?: readonly number[];
}

/** As tables name it, such as `1024 / 16, 6 x 64`, or `256 / 1 + biases of 16x16, 6 x 64`. */
export function describeAttention({ tokens, images, heads, width, window }: AttentionSize): string {
  const biases = window ? ` + biases of ${window.join("x")}` : "";
  return `${tokens} / ${images}${biases}, ${heads} x ${width}`;
}

/**
 * Self-attention in sequences of images, on activations as the device keeps them; its MACs are those of
 * the pairs that see each other.
 */
export async function loadAttention(
  device: Device,
  operation: AttentionOperation,
  size: AttentionSize,
): Promise<Job> {
  const graph = attentionGraph(operation, size, device.activations);
  const executable = await device.load(compile(graph, device));
  const names = [
    ...["query", "key", "value"],
    ...(size.window ? ["bias"] : []),
    ...(operation === "gradient" ? ["cotangent"] : []),
  ];
  for (const [index, name] of names.entries()) {
    const buffer = executable.buffer(name);
    buffer.write(ripple(buffer.elements, index + 1));
  }
  const { batch = 1, tokens, images } = size;
  const idOf = (token: number): number => Math.floor(token * images / tokens);
  const ids = Int32Array.from({ length: batch * tokens }, (_, place) => idOf(place % tokens));
  if (images > 1) executable.buffer("segments").write(ids);
  const lengths = new Array<number>(images).fill(0);
  for (const id of ids.subarray(0, tokens)) lengths[id]++;
  const visiblePairs = lengths.reduce((pairs, length) => pairs + length ** 2, 0);
  return { run: () => executable.run(), macs: macsOf(graph) * visiblePairs / tokens ** 2 };
}

function attentionGraph(
  operation: AttentionOperation,
  { batch = 1, tokens, images, heads, width, window }: AttentionSize,
  activations: FloatType | undefined,
): Graph {
  const shape = [batch, tokens, heads, width];
  const operands = ["query", "key", "value"].map((name) => input(name, shape, activations));
  const ids = input("segments", [batch, tokens], "i32");
  const [query, key, value] = operands;
  const segments = images > 1 ? { query: ids, key: ids } : undefined;
  const bias = window && input("bias", [heads, ...window.map((side) => 2 * side - 1)]);
  const output = attention(query, key, value, { bias, segments });
  if (operation === "forward") return makeGraph("attention", { outputs: { output } });
  const product = reduceSum(multiply(output, input("cotangent", shape, activations)));
  const names = ["dQuery", "dKey", "dValue", "dBias"];
  const derivatives = gradients(product, bias ? [...operands, bias] : operands)
    .map((derivative, index) => [names[index], derivative] as const);
  return makeGraph("attention gradient", {
    outputs: { output, ...Object.fromEntries(derivatives) },
  });
}
