/**
 * Half to single precision in WGSL.
 *
 * @module
 */
import { formatShape } from "../../shape.ts";
import type { WebGPULowering } from "../../webgpu/lowering.ts";
import { BindingTable, linearKernel } from "../../webgpu/emit/wgsl.ts";
import type { WidenStep } from "./step.ts";

/** Four numbers an invocation. The last may lie past the end: buffers are padded to 16 bytes. */
export const lowerWiden: WebGPULowering<WidenStep> = ({ input, output }, context) => {
  const table = new BindingTable(context);
  const read = table.reader({ buffer: input.buffer, dtype: "f16" }, 4);
  const target = table.use(output.buffer, "write", "vec4<f32>");
  const { code, workgroups } = linearKernel(
    Math.ceil(output.shape[0] / 4),
    table.declarations(),
    `${target}[index] = ${read("index")};`,
  );
  return [{
    label: `widen ${formatShape(output.shape)}`,
    code,
    bindings: table.bindings,
    workgroups,
  }];
};
