/**
 * Charts as files.
 *
 * @module
 */
import { writeBytesAtomically, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { svgToPng } from "../../formats/pictures/bitmap.ts";
import type { Chart } from "../../formats/plots/chart.ts";
import { renderChart } from "../../formats/plots/render.ts";

/** Draws a chart, as SVG or as the pixels of it by the ending of the file. */
export async function writeChart(path: string, chart: Chart): Promise<void> {
  const svg = await renderChart(chart);
  if (/\.svg$/i.test(path)) await writeTextAtomically(path, svg);
  else await writeBytesAtomically(path, await svgToPng(svg));
}
