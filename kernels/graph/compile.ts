/**
 * From a graph to a program: the passes in their order.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Program } from "../program.ts";
import { fuse } from "./fusion.ts";
import type { Graph } from "./graph.ts";
import { halfActivations } from "./half_activations.ts";
import { lower } from "./lower.ts";
import { mergeEqualNodes } from "./rewrite.ts";

/** What of a device its programs depend on; one for activations in `f16` runs on no other. */
export type ProgramTarget = Pick<Device, "activations">;

/**
 * Merges equal nodes, fuses, lowers and plans the memory of a graph.
 *
 * @param target the device that the program is for
 */
export function compile(graph: Graph, { activations }: ProgramTarget = {}): Program {
  const fused = fuse(mergeEqualNodes(graph));
  return lower(fused, activations === "f16" ? halfActivations(fused) : undefined);
}
