/**
 * Relative biases on WebGPU: what the kernels add to scores, and the kernel that sums up the table's
 * gradient, an invocation an entry, so that it has one order and needs no atomics.
 *
 * @module
 */
import { affine, literal } from "../../webgpu/emit/wgsl.ts";
import type { BiasTable } from "./relative_bias.ts";

/**
 * `placeOf(t)`, the place of a token in its window, and `biasOf(h, row, column)`, the bias of a pair by
 * its places.
 *
 * @param entry code of entry `e` of all heads
 * @param rows side of the rows of the score matrix
 */
export function biasFunctions(
  { window, strides, entries, middle }: BiasTable,
  entry: (e: string) => string,
  rows: "query" | "key",
): string {
  const difference = rows === "query" ? "row - column" : "column - row";
  return `fn placeOf(t: u32) -> u32 {
return ${affine(0, coordinates(window, "t"), strides)};
}
fn biasOf(h: u32, row: u32, column: u32) -> f32 {
let e = h * ${entries}u + (${middle}u + ${difference});
return ${entry("e")};
}
`;
}

/** Coordinates of element `index` of a box of the given sizes. */
function coordinates(sizes: readonly number[], index: string): string[] {
  return sizes.map((size, axis) => {
    const inner = sizes.slice(axis + 1).reduce((product, other) => product * other, 1);
    return `(${index} / ${inner}u) % ${size}u`;
  });
}

/** What the sum over the pairs of an entry needs to know. */
export interface BiasGradientSum {
  readonly bias: BiasTable;
  readonly heads: number;
  /** Groups of four columns of a head. */
  readonly groups: number;
  readonly scale: number;
  readonly segmented: boolean;
}

/**
 * Body of a kernel over (n, h, e) that leaves in `sum` what the batch element adds to the gradient of an
 * entry: the gradients of the scores of all pairs of tokens at the distance of the entry.
 */
export function sumBiasGradient(
  { bias, heads, groups, scale, segmented }: BiasGradientSum,
): string {
  const { window, strides, entries } = bias;
  const sizes = window.map((size) => 2 * size - 1);
  // Along each axis the keys whose query, `distance` further, lies in the window too.
  const distances = coordinates(sizes, "e").map((coordinate, axis) =>
    `let distance${axis} = i32(${coordinate}) - ${window[axis] - 1};
let first${axis} = u32(max(-distance${axis}, 0));
let end${axis} = u32(${window[axis]} - max(distance${axis}, 0));`
  );
  const loops = window.map((_, axis) =>
    `for (var key${axis} = first${axis}; key${axis} < end${axis}; key${axis}++) {`
  );
  const token = (coordinate: (axis: number) => string): string =>
    window.reduce(
      (before, size, axis) =>
        axis === 0 ? coordinate(0) : `(${before}) * ${size}u + ${coordinate(axis)}`,
      "",
    );
  return `let e = index % ${entries}u;
let h = (index / ${entries}u) % ${heads}u;
let n = index / ${entries * heads}u;
${distances.join("\n")}
let distance = ${strides.map((stride, axis) => `distance${axis} * ${stride}`).join(" + ")};
// Any two places that far from each other.
let bias = biasOf(h, u32(max(distance, 0)), u32(max(-distance, 0)));
var sum = 0.0;
${loops.join("\n")}
let j = ${token((axis) => `key${axis}`)};
let i = ${token((axis) => `u32(i32(key${axis}) + distance${axis})`)};
${segmented ? "if (rowSegment(n, i) != columnSegment(n, j)) { continue; }" : ""}
let queryAt = queryRow(n, i, h);
let keyAt = keyRow(n, j, h);
let gradientAt = outputGradientRow(n, i, h);
let valueAt = valueRow(n, j, h);
var scores = vec4<f32>();
var gradients = vec4<f32>();
for (var d = 0u; d < ${groups}u; d++) {
scores = fma(queryLoad(queryAt, d), keyLoad(keyAt, d), scores);
gradients = fma(outputGradientLoad(gradientAt, d), valueLoad(valueAt, d), gradients);
}
let statistics = statisticsOf(n, h, i);
let score = dot(scores, vec4<f32>(1.0)) * ${literal(scale)} + bias;
sum += exp(score - statistics.x) * (dot(gradients, vec4<f32>(1.0)) - statistics.y);
${loops.map(() => "}").join("\n")}`;
}
