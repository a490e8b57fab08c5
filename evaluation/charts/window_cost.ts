/**
 * What a model costs with windows and with full attention as clips grow longer, measured and counted.
 *
 * @module
 */
import { paletteColor } from "../../formats/plots/frame.ts";
import type { Series, XYChart } from "../../formats/plots/chart.ts";

/** What a clip of so many latent frames costs, beside the cheapest. */
export interface WindowCost {
  readonly frames: number;
  /** Of time. */
  readonly measured: number;
  /** Of multiply-adds. */
  readonly counted: number;
}

/** The costs of one kind of attention. */
export interface WindowCosts {
  /** The entry of the legend. */
  readonly name: string;
  /** In the order of the frames. */
  readonly costs: readonly WindowCost[];
}

/**
 * The chart: what was measured as lines, what was counted as thin ones.
 *
 * @param subtitle the model and where it ran
 */
export function windowCostChart(kinds: readonly WindowCosts[], subtitle: string): XYChart {
  return {
    kind: "xy",
    title: "Cost against length",
    subtitle: `${subtitle} · points: time, dashed: multiply-adds`,
    x: { title: "latent frames", scale: "log" },
    y: { title: "cost, of the shortest clip", scale: "log" },
    series: kinds.flatMap(({ name, costs }, index): Series[] => {
      const color = paletteColor(index);
      const points = (of: "measured" | "counted") =>
        costs.map(({ frames, ...cost }) => ({ x: frames, y: cost[of] }));
      return [
        { name, color, mark: "line-points", points: points("measured") },
        {
          name: `${name}, counted`,
          color,
          dashed: true,
          unlisted: true,
          points: points("counted"),
        },
      ];
    }),
  };
}
