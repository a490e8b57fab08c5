/**
 * What a DiT weights are of, told from their names and shapes: the design of its block, its output.
 *
 * @module
 */
import type { MatchOptions } from "../../nn/weights_file.ts";
import type { Shape } from "../../kernels/shape.ts";
import { type Conditioning, conditionings } from "./blocks.ts";
import { type DiTConfig, ditParameters } from "./model.ts";

/** Says in what weights differ from a model: their design, or whether they learn the variance. */
export function explainOtherDesign(config: DiTConfig): MatchOptions["explain"] {
  return (found) => {
    if (differsInVariance(config, found)) {
      return config.learnSigma
        ? "the weights have no learned variance and this model has one: they are of --objective flow"
        : "the weights have a learned variance, as of --objective noise, and a flow has none";
    }
    const design = designOf(config, found);
    if (design === undefined || design === config.conditioning) return undefined;
    return `the weights are of a DiT with ${design} conditioning, this model has ` +
      `${config.conditioning}; --conditioning ${design} makes one that takes them`;
  };
}

/** Whether only the number of channels that are put out tells weights from those of a model. */
function differsInVariance(config: DiTConfig, found: ReadonlyMap<string, Shape>): boolean {
  const other = ditParameters({ ...config, learnSigma: !config.learnSigma });
  return other.every(({ name, shape }) => found.get(name)?.join() === shape.join());
}

/** The design whose blocks have the parameters that are found; undefined where there is none. */
function designOf(
  config: DiTConfig,
  found: ReadonlyMap<string, Shape>,
): Conditioning | undefined {
  const present = ofFirstBlock(found);
  return conditionings.find((conditioning) => {
    const wanted = ditParameters({ ...config, conditioning })
      .map(({ name, shape }) => [name, shape] as const);
    return ofFirstBlock(wanted) === present;
  });
}

/** Names and shapes of the first block, in an order of their own. */
function ofFirstBlock(parameters: Iterable<readonly [name: string, shape: Shape]>): string {
  return [...parameters].filter(([name]) => name.startsWith("blocks.0."))
    .map(([name, shape]) => `${name} (${shape})`).sort().join();
}
