/**
 * Half to single precision. No model asks for it: lowering puts it between what is stored in half
 * precision and an operation that cannot read it so.
 *
 * @module
 */
import { contiguousView, type View } from "../../view.ts";
import type { WidenStep } from "./step.ts";

/** Widens the whole of an `f16` buffer into a buffer of as many 32-bit floats. */
export function widenStep(buffer: number, output: View): WidenStep {
  return { kind: "widen", input: contiguousView(buffer, output.shape, "f16"), output };
}
