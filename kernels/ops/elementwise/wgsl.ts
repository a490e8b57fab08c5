/**
 * Element-wise steps in WGSL: one invocation an element, or four elements where the views allow.
 *
 * An input that is the output's own view shares its binding, so that the step works in place.
 *
 * @module
 */
import { formatShape } from "../../shape.ts";
import type { WebGPULowering } from "../../webgpu/lowering.ts";
import { bindOperands, iterationSpace, pointCount } from "../../webgpu/emit/operands.ts";
import {
  BindingTable,
  expressionFunctions,
  linearKernel,
  renderExpression,
} from "../../webgpu/emit/wgsl.ts";
import type { ElementwiseStep } from "./step.ts";

/** Lowers an element-wise step to one dispatch. */
export const lowerElementwise: WebGPULowering<ElementwiseStep> = (step, context) => {
  const { inputs, output, expression } = step;
  const operands = [...inputs, output];
  const space = iterationSpace(output.shape, operands);
  const table = new BindingTable(context, context);
  const bound = bindOperands(table, space, operands, "index", { writes: [inputs.length] });
  const value = renderExpression(expression, bound.load, { width: space.width });
  const body = `${bound.statements}
${value.statements}
${bound.store(inputs.length, value.value)}`;
  const declarations = table.declarations(context.limits.maxStorageBuffersPerShaderStage) +
    expressionFunctions([expression], space.width);
  const { code, workgroups } = linearKernel(pointCount(space), declarations, body);
  const label = `elementwise ${formatShape(output.shape)}`;
  return [{ label, code, bindings: table.bindings, workgroups }];
};
