/**
 * Vega-Lite as a renderer: a specification becomes an SVG document that looks the same on every
 * machine. Vega measures text with the letters of `text.ts`, and each `<text>` element it writes is
 * replaced by outlines of them.
 *
 * Vega is loaded on first use: about 0.15 s and 50 MB.
 *
 * @module
 */

import type { Config, TopLevelSpec } from "vega-lite";
import { inkColor, mutedColor, textOutline, type TextStyle, textWidth } from "./text.ts";

/** The look that all plots share. Sizes are in pixels. */
const theme: Config = {
  background: "#ffffff",
  padding: 20,
  font: "Inter",
  view: { stroke: null },
  title: {
    anchor: "start",
    frame: "bounds",
    offset: 14,
    fontSize: 18,
    fontWeight: 600,
    color: inkColor,
    subtitleFontSize: 13,
    subtitleColor: mutedColor,
    subtitlePadding: 6,
  },
  axis: {
    labelFontSize: 12,
    labelColor: mutedColor,
    labelPadding: 6,
    titleFontSize: 13,
    titleFontWeight: 400,
    titleColor: inkColor,
    titlePadding: 12,
    gridColor: "#e8eaed",
    domainColor: "#8c959f",
    tickColor: "#8c959f",
    tickSize: 4,
  },
  axisY: { domain: false, ticks: false },
  legend: {
    orient: "top",
    direction: "horizontal",
    title: null,
    labelFontSize: 13,
    labelColor: inkColor,
    labelLimit: 260,
    symbolSize: 180,
    columnPadding: 20,
    offset: 12,
  },
};

/** The style of a `<text>` element of Vega. */
function textStyle(attribute: (name: string) => string | undefined): TextStyle {
  const anchor = attribute("text-anchor");
  return {
    size: parseFloat(attribute("font-size") ?? "11"),
    bold: isBold(attribute("font-weight")),
    fill: attribute("fill"),
    anchor: anchor === "middle" || anchor === "end" ? anchor : "start",
  };
}

function isBold(weight: string | number | undefined): boolean {
  return weight === "bold" || Number(weight) >= 600;
}

function unescapeXml(text: string): string {
  const entities: Record<string, string> = {
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&amp;": "&",
  };
  return text.replace(/&(?:lt|gt|quot|amp);/g, (entity) => entities[entity]);
}

/** Replaces the `<text>` elements of an SVG document that Vega wrote; invisible ones go. */
function outlineTexts(svg: string): string {
  const element = /<text ([^>]*?)(?:\/>|>([^<]*)<\/text>)/g;
  return svg.replace(element, (_, attributes: string, text = "") => {
    const attribute = (name: string) =>
      attributes.match(new RegExp(`(?:^| )${name}="([^"]*)"`))?.[1];
    if (text === "" || attribute("opacity") === "0") return "";
    return textOutline(unescapeXml(text), attribute("transform") ?? "", textStyle(attribute));
  });
}

/** Parts of Vega that its types leave out. */
interface UntypedVega {
  /** Measures text. */
  readonly textMetrics: {
    width(
      item: { fontSize?: number; fontWeight?: string | number; limit?: number },
      text: unknown,
    ): number;
  };
  /** Starts counting the names of clip paths anew, which otherwise go on from chart to chart. */
  resetSVGDefIds(): void;
}

/** Vega and Vega-Lite, with widths of text as they will be drawn. */
async function loadVega() {
  const [vega, vegaLite] = await Promise.all([import("vega"), import("vega-lite")]);
  const { textMetrics, resetSVGDefIds } = vega as unknown as UntypedVega;
  textMetrics.width = ({ fontSize = 11, fontWeight, limit }, text) => {
    const width = textWidth(String(text ?? ""), { size: fontSize, bold: isBold(fontWeight) });
    // Vega shortens text that is not below its limit, so none is drawn wider.
    return limit ? Math.min(width, limit) : width;
  };
  return { vega, vegaLite, resetSVGDefIds };
}

/** Renders a specification to an SVG document without `<text>` elements. */
export async function renderVegaLite(specification: TopLevelSpec): Promise<string> {
  const { vega, vegaLite, resetSVGDefIds } = await loadVega();
  const logger = vega.logger(vega.Error);
  const { spec } = vegaLite.compile(specification, { config: theme, logger });
  const view = new vega.View(vega.parse(spec), { renderer: "none", logger });
  try {
    resetSVGDefIds();
    return outlineTexts(await view.toSVG());
  } finally {
    view.finalize();
  }
}
