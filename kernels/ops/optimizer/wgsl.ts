/**
 * AdamW on WebGPU: a stream over parameters, gradients and moments, four elements at once where the
 * tensors are aligned. An invocation updates several groups, as each has to read the schedule.
 *
 * @module
 */
import type { View } from "../../view.ts";
import { elementCount, formatShape } from "../../shape.ts";
import type { WebGPULowering } from "../../webgpu/lowering.ts";
import { BindingTable, gridOf, vectorType, type Width } from "../../webgpu/emit/wgsl.ts";
import { adamwSchedule, type AdamWStep } from "./step.ts";

/** Invocations a workgroup. */
const workgroupSize = 64;

/** Groups of four (or single elements) that an invocation updates. */
const groupsPerInvocation = 8;

/** One update of one tensor: one dispatch. */
export const lowerAdamW: WebGPULowering<AdamWStep> = (step) => {
  const { parameter, gradient, firstMoment, secondMoment, average, schedule, gradientScale } = step;
  const tensors = [parameter, gradient, firstMoment, secondMoment, ...(average ? [average] : [])];
  const elements = elementCount(parameter.shape);
  const width: Width = elements % 4 === 0 && tensors.every(({ offset }) => offset % 4 === 0)
    ? 4
    : 1;
  const type = vectorType("f32", width);
  const table = new BindingTable();
  const element = (view: View, access: "read" | "write"): string =>
    `${table.use(view.buffer, access, width === 4 ? "vec4<f32>" : "f32")}[i + ${
      view.offset / width
    }u]`;
  const p = element(parameter, "write");
  const g = element(gradient, "read");
  const m = element(firstMoment, "write");
  const v = element(secondMoment, "write");
  const a = average && element(average, "write");
  const plan = table.use(schedule.buffer, "read");
  const scales = table.use(gradientScale.buffer, "read");
  const entry = (name: Exclude<keyof typeof adamwSchedule, "length">): string =>
    `${plan}[${schedule.offset + adamwSchedule[name]}u]`;

  const count = elements / width;
  const perWorkgroup = workgroupSize * groupsPerInvocation;
  const { workgroups, groupIndex } = gridOf(Math.ceil(count / perWorkgroup));
  const exact = workgroups[0] * workgroups[1] * perWorkgroup === count;
  const code = `${table.declarations()}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
let scale = ${scales}[${gradientScale.offset}u];
// Compilers may assume that numbers are numbers: negative values and NaN are told by their bits.
let bits = bitcast<u32>(scale);
if (bits > 0x80000000u || (bits & 0x7fffffffu) > 0x7f800000u) { return; }
let rate = ${entry("learningRate")};
let beta1 = ${entry("beta1")};
let beta2 = ${entry("beta2")};
let epsilon = ${entry("epsilon")};
let correction1 = rate * ${entry("correction1")};
let correction2 = ${entry("correction2")};
let kept = ${step.decay ? `1.0 - rate * ${entry("weightDecay")}` : "1.0"};
${a ? `let averageDecay = ${entry("averageDecay")};` : ""}
let first = ${groupIndex} * ${perWorkgroup}u + lane;
for (var k = 0u; k < ${groupsPerInvocation}u; k++) {
let i = first + k * ${workgroupSize}u;
${exact ? "" : `if (i >= ${count}u) { break; }`}
let g = scale * ${g};
let m = beta1 * ${m} + (1.0 - beta1) * g;
let v = beta2 * ${v} + (1.0 - beta2) * g * g;
let p = kept * ${p} - correction1 * m / (sqrt(v) * correction2 + ${type}(epsilon));
${m} = m;
${v} = v;
${p} = p;
${a ? `${a} = averageDecay * ${a} + (1.0 - averageDecay) * p;` : ""}
}
}
`;
  const label = `adamw ${formatShape(parameter.shape)}`;
  return [{ label, code, bindings: table.bindings, workgroups }];
};
