/** What convolutions and the gradients of their weights take beside their operands. */
import assert from "node:assert/strict";
import { eachDefaultDevice } from "../../devices.ts";
import { convolutionCase, convolutionWeightGradientCase } from "./convolution_cases.ts";

eachDefaultDevice("a convolution takes at most its weight's memory more", async (device) => {
  const form = {
    name: "a small weight, many lines",
    input: [4, 32, 4],
    kernel: [1, 3, 3],
    channels: [8, 12],
  } as const;
  const weightBytes = 4 * 9 * 8 * 12;
  const cases = [
    convolutionCase(0, form, { flipped: false, strided: false }),
    convolutionWeightGradientCase(0, form, false),
  ];
  for (const { program } of cases) {
    const operandBytes = program.buffers.reduce((sum, { elements }) => sum + 4 * elements, 0);
    const before = device.allocatedBytes;
    const executable = await device.load(program);
    const more = device.allocatedBytes - before - operandBytes;
    executable.destroy();
    assert.ok(more <= weightBytes, `${program.steps[0].kind}: ${more} bytes`);
  }
});
