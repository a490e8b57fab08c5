/**
 * From a graph to a program: the passes in their order.
 *
 * @module
 */
import type { Program } from "../program.ts";
import { fuse } from "./fusion.ts";
import type { Graph } from "./graph.ts";
import { lower } from "./lower.ts";
import { mergeEqualNodes } from "./rewrite.ts";

/** Merges equal nodes, fuses, lowers and plans the memory of a graph. */
export function compile(graph: Graph): Program {
  return lower(fuse(mergeEqualNodes(graph)));
}
