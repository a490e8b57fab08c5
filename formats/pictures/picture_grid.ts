/**
 * Many pictures on one labelled sheet: the picture that a person looks at to see what a model does.
 *
 * The sheet has an optional title and subtitle at its top left; below them cells of equal size, each
 * one picture magnified by a whole number without interpolation, so that small pictures show their
 * own pixels. Columns may have names above them, rows names on their left, pictures captions below.
 * Text that has no room is shortened.
 *
 * ```
 *   title
 *   subtitle
 *              column     column
 *        row  ┌────────┐ ┌────────┐
 *             │ picture│ │        │
 *             └────────┘ └────────┘
 *              caption
 * ```
 *
 * @module
 */

import { type Bitmap, encodePng } from "./bitmap.ts";
import {
  capHeight,
  mutedColor,
  shortenText,
  svgDocument,
  textOutline,
  type TextStyle,
  textWidth,
} from "../plots/text.ts";

/** What stands on a sheet besides the pictures. */
export interface GridOptions {
  /** Cells side by side; by default as many as make the grid about square. */
  readonly columns?: number;
  /** A line above everything. */
  readonly title?: string;
  /** A second, lighter line. */
  readonly subtitle?: string;
  /** One name a column. */
  readonly columnLabels?: readonly string[];
  /** One name a row. */
  readonly rowLabels?: readonly string[];
  /** One caption a picture, below it. */
  readonly captions?: readonly string[];
  /** What the longer side of a picture should come near to, in pixels; 112 if not given. */
  readonly cellSize?: number;
}

/** Where everything stands on a sheet, in pixels from its top left corner. */
export interface GridLayout {
  /** Height of the sheet. */
  readonly height: number;
  /** Width of the sheet. */
  readonly width: number;
  /** Cells below each other. */
  readonly rows: number;
  /** Cells side by side. */
  readonly columns: number;
  /** How many pixels, each way, one pixel of a picture becomes. */
  readonly magnification: number;
  /** Height of a picture on the sheet. */
  readonly cellHeight: number;
  /** Width of a picture on the sheet. */
  readonly cellWidth: number;
  /** Top left corner of each picture. */
  readonly cells: readonly { readonly x: number; readonly y: number }[];
}

/** Grey of the line around pictures, which shows where a white one ends. */
const borderGrey = 0xd0;

/** Around everything. */
const margin = 20;

/** Between pictures, both ways. */
const gap = 8;

/** Between row labels and pictures. */
const labelGap = 12;

/** Widest row label, and widest title that makes the sheet wider; longer ones are shortened. */
const maximumWidth = { rowLabel: 200, title: 560 };

const styles = {
  title: { size: 18, bold: true },
  subtitle: { size: 13, fill: mutedColor },
  columnLabel: { size: 13, anchor: "middle" },
  rowLabel: { size: 13, anchor: "end" },
  caption: { size: 12, fill: mutedColor, anchor: "middle" },
} as const satisfies Record<string, TextStyle>;

/** Height of a line of each kind, and how far below its top the base line is. */
const lines = {
  title: { height: 26, base: 16 },
  subtitle: { height: 20, base: 13 },
  columnLabel: { height: 20, base: 12 },
  caption: { height: 22, base: 16 },
} as const;

/** Height of the heading, and the space below it. */
function headingHeight({ title, subtitle }: GridOptions): number {
  if (!title && !subtitle) return 0;
  return (title ? lines.title.height : 0) + (subtitle ? lines.subtitle.height : 0) + 8;
}

/** Width of the longest of some texts, up to a maximum. */
function widest(texts: readonly string[], style: TextStyle, maximum: number): number {
  const width = Math.max(0, ...texts.map((text) => textWidth(text, style)));
  return Math.ceil(Math.min(width, maximum));
}

/** Rows and columns of a grid, when the options fit the number of pictures. */
function gridSize(count: number, options: GridOptions): { rows: number; columns: number } {
  const columns = options.columns ?? options.columnLabels?.length ?? Math.ceil(Math.sqrt(count));
  if (!Number.isInteger(columns) || columns < 1) {
    throw new RangeError(`a grid has 1 or more columns, not ${columns}`);
  }
  const rows = Math.ceil(count / columns);
  const expected = { columnLabels: columns, rowLabels: rows, captions: count };
  for (const [name, length] of Object.entries(expected)) {
    const given = options[name as keyof typeof expected];
    if (given && given.length !== length) {
      throw new RangeError(`${name} has ${given.length} entries, expected ${length}`);
    }
  }
  return { rows, columns };
}

/** The one size of some pictures. */
function commonSize(pictures: readonly Bitmap[]): { height: number; width: number } {
  if (pictures.length === 0) throw new RangeError("a grid needs a picture");
  const { height, width } = pictures[0];
  const other = pictures.find((picture) => picture.height !== height || picture.width !== width);
  if (!other) return { height, width };
  const sizes = `${width} x ${height} and ${other.width} x ${other.height}`;
  throw new RangeError(`pictures of one grid have one size, these have ${sizes}`);
}

/**
 * Computes where everything stands.
 *
 * @throws {RangeError} when there is no picture, when pictures differ in size, when labels do not
 *   match rows, columns or pictures in number
 */
export function layOutGrid(pictures: readonly Bitmap[], options: GridOptions = {}): GridLayout {
  const { height, width } = commonSize(pictures);
  const { rows, columns } = gridSize(pictures.length, options);
  const target = (options.cellSize ?? 112) / Math.max(height, width);
  const magnification = Math.max(1, Math.round(target));
  const cellHeight = height * magnification;
  const cellWidth = width * magnification;
  const rowLabelWidth = widest(options.rowLabels ?? [], styles.rowLabel, maximumWidth.rowLabel);
  const left = margin + (rowLabelWidth > 0 ? rowLabelWidth + labelGap : 0);
  const top = margin + headingHeight(options) +
    (options.columnLabels ? lines.columnLabel.height : 0);
  const rowHeight = cellHeight + (options.captions ? lines.caption.height : 0) + gap;
  const gridWidth = left - margin + columns * (cellWidth + gap) - gap;
  const heading = Math.max(
    widest([options.title ?? ""], styles.title, maximumWidth.title),
    widest([options.subtitle ?? ""], styles.subtitle, maximumWidth.title),
  );
  return {
    height: top + rows * rowHeight - gap + margin,
    width: Math.max(gridWidth, heading) + 2 * margin,
    rows,
    columns,
    magnification,
    cellHeight,
    cellWidth,
    cells: pictures.map((_, index) => ({
      x: left + (index % columns) * (cellWidth + gap),
      y: top + Math.floor(index / columns) * rowHeight,
    })),
  };
}

/** Every text of a sheet as SVG elements. */
function textElements(layout: GridLayout, options: GridOptions): string[] {
  const { cells, columns, cellWidth, cellHeight } = layout;
  const elements: string[] = [];
  const add = (text: string, x: number, y: number, width: number, style: TextStyle) =>
    elements.push(textOutline(shortenText(text, width, style), { x, y }, style));
  const headings = { title: options.title, subtitle: options.subtitle };
  let y = margin;
  for (const [kind, text] of Object.entries(headings) as ["title" | "subtitle", string?][]) {
    if (!text) continue;
    add(text, margin, y + lines[kind].base, layout.width - 2 * margin, styles[kind]);
    y += lines[kind].height;
  }
  const labelTop = cells[0].y - lines.columnLabel.height;
  options.columnLabels?.forEach((label, column) => {
    const x = cells[0].x + column * (cellWidth + gap) + cellWidth / 2;
    add(label, x, labelTop + lines.columnLabel.base, cellWidth, styles.columnLabel);
  });
  options.rowLabels?.forEach((label, row) => {
    const middle = cells[row * columns].y + (cellHeight + capHeight * styles.rowLabel.size) / 2;
    add(label, cells[0].x - labelGap, middle, maximumWidth.rowLabel, styles.rowLabel);
  });
  options.captions?.forEach((caption, index) => {
    const { x, y } = cells[index];
    const line = y + cellHeight + lines.caption.base;
    add(caption, x + cellWidth / 2, line, cellWidth, styles.caption);
  });
  return elements;
}

/** Fills a rectangle of an RGB sheet with grey. */
function fillRectangle(
  sheet: Bitmap,
  { x, y }: { readonly x: number; readonly y: number },
  { height, width }: { readonly height: number; readonly width: number },
  grey: number,
): void {
  for (let row = y; row < y + height; row++) {
    const start = (row * sheet.width + x) * 3;
    sheet.data.fill(grey, start, start + 3 * width);
  }
}

/** Copies a picture onto an RGB sheet, each pixel as a square. */
function drawMagnified(
  sheet: Bitmap,
  { x, y }: { readonly x: number; readonly y: number },
  picture: Bitmap,
  magnification: number,
): void {
  const { height, width, channels, data } = picture;
  for (let row = 0; row < height * magnification; row++) {
    const source = Math.floor(row / magnification) * width;
    let position = ((y + row) * sheet.width + x) * 3;
    for (let column = 0; column < width * magnification; column++) {
      const pixel = (source + Math.floor(column / magnification)) * channels;
      for (let channel = 0; channel < 3; channel++) {
        sheet.data[position++] = data[pixel + (channels === 1 ? 0 : channel)];
      }
    }
  }
}

/**
 * Lays pictures out row by row on a sheet of white paper.
 *
 * @param pictures all of one size, 1 or 3 channels each
 * @returns a PNG file, RGB
 * @throws {RangeError} as {@link layOutGrid}
 */
export async function pictureGrid(
  pictures: readonly Bitmap[],
  options: GridOptions = {},
): Promise<Uint8Array> {
  const layout = layOutGrid(pictures, options);
  const { height, width, cellHeight, cellWidth, magnification } = layout;
  const sheet = { height, width, channels: 3, data: new Uint8Array(3 * height * width).fill(255) };
  pictures.forEach((picture, index) => {
    const { x, y } = layout.cells[index];
    const border = { height: cellHeight + 2, width: cellWidth + 2 };
    fillRectangle(sheet, { x: x - 1, y: y - 1 }, border, borderGrey);
    drawMagnified(sheet, { x, y }, picture, magnification);
  });
  const elements = textElements(layout, options);
  if (elements.length === 0) return await encodePng(sheet);
  return await encodePng(sheet, svgDocument(width, height, elements));
}
