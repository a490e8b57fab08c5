/**
 * Half to single precision in WebAssembly.
 *
 * @module
 */
import { elementBytes } from "../../shape.ts";
import { defineWiden } from "../../wasm/emit/half.ts";
import type { WasmLowering } from "../../wasm/lowering.ts";
import { splitAmong, splitPhase } from "../../wasm/split.ts";
import type { WidenStep } from "./step.ts";

/** Fewer elements than this are not worth a further thread. */
const elementsPerThread = 16384;

/** Elements of a cache line of the output. */
const lineElements = 16;

/**
 * Divides a buffer over the threads. Its last vector may reach past the last element: buffers are
 * padded to whole cache lines.
 */
export const lowerWiden: WasmLowering<WidenStep> = ({ input, output }, context) => {
  const { shape } = output;
  const [elements] = shape;
  context.define("widen", defineWiden);
  const workers = Math.min(context.threads, Math.ceil(elements / elementsPerThread));
  const ranges = splitAmong(workers, context.threads, elements, lineElements);
  const source = context.address(input, { shape, layout: "buffer", halves: true });
  const target = context.address(output, { shape, layout: "buffer", written: true });
  return [splitPhase(ranges, ({ start, end }) => [{
    function: "widen",
    arguments: [
      source + elementBytes.f16 * start,
      target + elementBytes.f32 * start,
      Math.ceil((end - start) / 4),
    ],
  }])];
};
