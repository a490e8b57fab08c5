/**
 * Table look-ups and their gradient on WebGPU.
 *
 * The gradient sums the source rows of each table row in their order, without atomics and without
 * every output element searching all indices: a first kernel links equal indices into lists (where
 * does each table row occur first, where does each occurrence repeat next), a second one follows
 * the list of its row.
 *
 * @module
 */
import type { View } from "../../view.ts";
import { formatShape } from "../../shape.ts";
import type { WebGPUContext, WebGPULowering } from "../../webgpu/lowering.ts";
import { BindingTable, linearKernel, vectorType, type Width } from "../../webgpu/emit/wgsl.ts";
import type { GatherStep, ScatterAddStep } from "./step.ts";

/** Copies rows of a table: one dispatch. */
export const lowerGather: WebGPULowering<GatherStep> = (
  { table, indices, output },
  context,
) => {
  const width = rowWidth(table, output);
  const columns = table.shape[1] / width;
  const bindings = new BindingTable(context);
  const read = bindings.reader(table, width);
  const list = bindings.use(indices.buffer, "read", "i32");
  const write = bindings.writer(output, width);
  const element = read(
    `row * ${columns}u + index % ${columns}u + ${table.offset / width}u`,
  );
  const { code, workgroups } = linearKernel(
    output.shape[0] * columns,
    bindings.declarations(),
    `let wanted = ${list}[index / ${columns}u + ${indices.offset}u];
let row = select(0u, u32(wanted), wanted >= 0 && wanted < ${table.shape[0]});
${write(`index + ${output.offset / width}u`, element)}`,
  );
  const label = `gather ${formatShape(output.shape)} from ${formatShape(table.shape)}`;
  return [{ label, code, bindings: bindings.bindings, workgroups }];
};

/** Sums rows by their index: two dispatches. */
export const lowerScatterAdd: WebGPULowering<ScatterAddStep> = (step, context) => {
  const { indices, source, output } = step;
  const [rows] = output.shape;
  const [count] = source.shape;
  const links = context.scratch(4 * (rows + count));
  const label = `scatter-add ${formatShape(source.shape)} to ${formatShape(output.shape)}`;
  return [
    { label: `${label} (links)`, ...linkKernel(indices, rows, count, links) },
    { label, ...sumKernel(source, output, links, context) },
  ];
};

/**
 * `links[r]`: first occurrence of r, `links[rows + i]`: next occurrence of `indices[i]` after i;
 * `count` where there is none.
 */
function linkKernel(indices: View, rows: number, count: number, links: number) {
  const bindings = new BindingTable();
  const list = bindings.use(indices.buffer, "read", "i32");
  const target = bindings.use(links, "write", "u32");
  const { code, workgroups } = linearKernel(
    rows + count,
    bindings.declarations(),
    `var sought = i32(index);
var i = 0u;
if (index >= ${rows}u) {
  sought = ${list}[index - ${rows}u + ${indices.offset}u];
  i = index - ${rows}u + 1u;
}
while (i < ${count}u && ${list}[min(i, ${count - 1}u) + ${indices.offset}u] != sought) { i++; }
${target}[index] = i;`,
  );
  return { code, workgroups, bindings: bindings.bindings };
}

function sumKernel(source: View, output: View, links: number, context: WebGPUContext) {
  const [rows, length] = output.shape;
  const [count] = source.shape;
  const width = rowWidth(source, output);
  const columns = length / width;
  const bindings = new BindingTable(context);
  const next = bindings.use(links, "read", "u32");
  const read = bindings.reader(source, width);
  const write = bindings.writer(output, width);
  const { code, workgroups } = linearKernel(
    rows * columns,
    bindings.declarations(),
    `let column = index % ${columns}u;
var sum = ${vectorType("f32", width)}();
var i = ${next}[index / ${columns}u];
while (i < ${count}u) {
  sum += ${read(`i * ${columns}u + column + ${source.offset / width}u`)};
  i = ${next}[i + ${rows}u];
}
${write(`index + ${output.offset / width}u`, "sum")}`,
  );
  return { code, workgroups, bindings: bindings.bindings };
}

/** Four columns at once where both tensors' rows are aligned. */
function rowWidth(a: View, b: View): Width {
  return [a.shape[1], a.offset, b.offset].every((n) => n % 4 === 0) ? 4 : 1;
}
