/**
 * Attention without workgroup memory, for software adapters, where barriers and workgroup memory
 * cost more than they save and loads are far dearer than arithmetic.
 *
 * Every invocation owns a few rows of the score matrix and keeps their vectors, and what it sums up
 * for them, in variables: one `vec4<f32>` for each row and group of four columns (arrays would live
 * in memory). It visits the columns in small blocks, so that every loaded vector serves all rows
 * and every sum is touched once a block.
 *
 * Names in the generated text: `<tensor><row or column of the block>_<group>`, e.g. `query1_15`.
 *
 * @module
 */
import { linearKernel, literal } from "../../webgpu/wgsl.ts";
import type { LinearKernel } from "../../webgpu/wgsl.ts";
import type { AttentionPass, Product } from "./wgsl_pass.ts";

/** Invocations a workgroup: few, as lavapipe spreads workgroups, not invocations, over threads. */
const workgroupSize = 16;

/** How many rows an invocation owns and how many columns it handles at once. */
export interface Blocking {
  readonly rows: number;
  readonly columns: number;
}

/** Fewer rows when they are wide, as all of them should stay in the nearest cache. */
function defaultBlocking({ groups }: AttentionPass): Blocking {
  return { rows: groups <= 18 ? 4 : groups <= 36 ? 2 : 1, columns: 2 };
}

/** The kernel of one pass. */
export function registerKernel(
  pass: AttentionPass,
  blocking: Blocking = defaultBlocking(pass),
): LinearKernel {
  const rows = Math.min(blocking.rows, pass.rowCount);
  const tiles = Math.ceil(pass.rowCount / rows);
  const wholeColumns = pass.columnCount - pass.columnCount % blocking.columns;
  const body = `let tile = index % ${tiles}u;
let h = (index / ${tiles}u) % ${pass.heads}u;
let n = index / ${tiles * pass.heads}u;
${repeat(rows, (r) => prologue(pass, rows, r))}
for (var j = 0u; j < ${wholeColumns}u; j += ${blocking.columns}u) {
${columnBlock(pass, rows, blocking.columns)}
}
${remainder(pass, rows, wholeColumns)}
${repeat(rows, (r) => epilogue(pass, rows, r))}`;
  const count = pass.batch * pass.heads * tiles;
  return linearKernel(count, pass.declarations, body, workgroupSize);
}

function repeat(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join("\n");
}

function products({ scores, probabilityGradients }: AttentionPass): Product[] {
  return probabilityGradients ? [scores, probabilityGradients] : [scores];
}

/** Row `r` of the tile: its number, vectors, statistics, and sums set to zero. */
function prologue(pass: AttentionPass, rows: number, r: number): string {
  const number = `tile * ${rows}u + ${r}u`;
  // A tile that hangs over the end repeats the last row and does not store it.
  const row = pass.rowCount % rows === 0 ? number : `min(${number}, ${pass.rowCount - 1}u)`;
  const lines = [`let row${r} = ${row};`];
  for (const { row: tensor } of products(pass)) {
    const factor = tensor === pass.scores.row ? ` * ${literal(pass.scale)}` : "";
    lines.push(
      `let ${tensor}At${r} = ${tensor}Row(n, row${r}, h);`,
      repeat(
        pass.groups,
        (d) => `let ${tensor}${r}_${d} = ${tensor}Load(${tensor}At${r}, ${d}u)${factor};`,
      ),
    );
  }
  if (pass.statistics === "row") lines.push(`let rowStatistics${r} = statisticsOf(n, h, row${r});`);
  if (!pass.statistics) lines.push(`var maximum${r} = -1e30;`, `var denominator${r} = 0.0;`);
  if (pass.segmented) lines.push(`let rowSegment${r} = ${segment(pass, "row", r)};`);
  for (const { output } of pass.sums) {
    lines.push(repeat(pass.groups, (d) => `var ${output}${r}_${d} = vec4<f32>();`));
  }
  return lines.join("\n");
}

/** Segment of a row or column: from its statistics if it has any. */
function segment(pass: AttentionPass, side: "row" | "column", index: number): string {
  return pass.statistics === side
    ? `${side}Statistics${index}.z`
    : `${side}Segment(n, ${side}${index})`;
}

/** The columns that do not fill a block. */
function remainder(pass: AttentionPass, rows: number, wholeColumns: number): string {
  const rest = pass.columnCount - wholeColumns;
  return rest === 0 ? "" : `{
let j = ${wholeColumns}u;
${columnBlock(pass, rows, rest)}
}`;
}

/** Everything that happens to `columns` columns from `j` on. */
function columnBlock(pass: AttentionPass, rows: number, columns: number): string {
  const head = repeat(columns, (c) => {
    const lines = [`let column${c} = j + ${c}u;`];
    if (pass.statistics === "column") {
      lines.push(`let columnStatistics${c} = statisticsOf(n, h, column${c});`);
    }
    if (pass.segmented) lines.push(`let columnSegment${c} = ${segment(pass, "column", c)};`);
    return lines.join("\n");
  });
  const body = [
    ...products(pass).map((product, index) =>
      dotProducts(pass, product, "st"[index], rows, columns)
    ),
    repeat(
      rows,
      (r) => pass.statistics ? gradientWeights(pass, r, columns) : softmax(pass, r, columns),
    ),
    weightedSums(pass, rows, columns),
  ].join("\n");
  if (!pass.segmented) return `${head}\n${body}`;
  const visible = pairs(rows, columns).map(([r, c]) =>
    `let visible${r}_${c} = rowSegment${r} == columnSegment${c};`
  );
  const any = pairs(rows, columns).map(([r, c]) => `visible${r}_${c}`).join(" || ");
  return `${head}\n${visible.join("\n")}\nif (${any}) {\n${body}\n}`;
}

function pairs(rows: number, columns: number): [number, number][] {
  return Array.from({ length: rows * columns }, (_, i) => [Math.floor(i / columns), i % columns]);
}

/** `<name><row>_<column>`: dot products of all rows and columns, loading the columns on the way. */
function dotProducts(
  pass: AttentionPass,
  { row, column }: Product,
  name: string,
  rows: number,
  columns: number,
): string {
  return [
    repeat(columns, (c) => `let ${column}At${c} = ${column}Row(n, column${c}, h);`),
    ...pairs(rows, columns).map(([r, c]) => `var ${name}${name}${r}_${c} = vec4<f32>();`),
    repeat(pass.groups, (d) =>
      [
        repeat(columns, (c) => `let ${column}${c}_${d} = ${column}Load(${column}At${c}, ${d}u);`),
        ...pairs(rows, columns).map(([r, c]) => {
          const sum = `${name}${name}${r}_${c}`;
          return `${sum} = fma(${row}${r}_${d}, ${column}${c}_${d}, ${sum});`;
        }),
      ].join("\n")),
    ...pairs(rows, columns).map(([r, c]) =>
      `let ${name}${r}_${c} = dot(${name}${name}${r}_${c}, vec4<f32>(1.0));`
    ),
  ].join("\n");
}

/** Online softmax: new maximum of row `r`, what was summed so far scaled down to it, weights p. */
function softmax(pass: AttentionPass, r: number, columns: number): string {
  const candidates = Array.from(
    { length: columns },
    (_, c) => pass.segmented ? `select(-1e30, s${r}_${c}, visible${r}_${c})` : `s${r}_${c}`,
  );
  const maximum = candidates.reduce((a, b) => `max(${a}, ${b})`, `maximum${r}`);
  const { output } = pass.sums[0];
  return [
    `let newMaximum${r} = ${maximum};`,
    `let decay${r} = exp(maximum${r} - newMaximum${r});`,
    `maximum${r} = newMaximum${r};`,
    repeat(columns, (c) => weight(pass, r, c, `exp(s${r}_${c} - newMaximum${r})`)),
    `denominator${r} = denominator${r} * decay${r} + ${
      Array.from({ length: columns }, (_, c) => `p${r}_${c}`).join(" + ")
    };`,
    repeat(pass.groups, (d) => `${output}${r}_${d} *= decay${r};`),
  ].join("\n");
}

/** Probabilities from the saved denominators, and gradients of the scaled scores. */
function gradientWeights(pass: AttentionPass, r: number, columns: number): string {
  return repeat(columns, (c) => {
    const statistics = pass.statistics === "row" ? `rowStatistics${r}` : `columnStatistics${c}`;
    return `${weight(pass, r, c, `exp(s${r}_${c} - bitcast<f32>(${statistics}.x))`)}
let ds${r}_${c} = p${r}_${c} * (t${r}_${c} - bitcast<f32>(${statistics}.y));`;
  });
}

function weight(pass: AttentionPass, r: number, c: number, value: string): string {
  return `let p${r}_${c} = ${pass.segmented ? `select(0.0, ${value}, visible${r}_${c})` : value};`;
}

/** Adds the weighted columns to the sums of all rows. */
function weightedSums(pass: AttentionPass, rows: number, columns: number): string {
  const loaded = new Set(products(pass).map(({ column }) => column));
  return pass.sums.map(({ weight, column, output }) =>
    [
      loaded.has(column)
        ? ""
        : repeat(columns, (c) => `let ${column}At${c} = ${column}Row(n, column${c}, h);`),
      repeat(pass.groups, (d) =>
        [
          loaded.has(column)
            ? ""
            : repeat(columns, (c) =>
              `let ${column}${c}_${d} = ${column}Load(${column}At${c}, ${d}u);`),
          ...pairs(rows, columns).map(([r, c]) => {
            const sum = `${output}${r}_${d}`;
            return `${sum} = fma(vec4<f32>(${weight}${r}_${c}), ${column}${c}_${d}, ${sum});`;
          }),
        ].join("\n")),
    ].join("\n")
  ).join("\n");
}

/** Stores the sums of row `r`. */
function epilogue(pass: AttentionPass, rows: number, r: number): string {
  const stores = pass.sums.map(({ output, factor }) => {
    const scaled = pass.statistics ? literal(factor) : `factor${r}`;
    return `let ${output}At${r} = ${output}Row(n, row${r}, h);\n` + repeat(
      pass.groups,
      (d) => `${output}Store(${output}At${r}, ${d}u, ${output}${r}_${d} * ${scaled});`,
    );
  });
  if (!pass.statistics) {
    stores.unshift(
      `storeLogSumExp(n, h, row${r}, maximum${r}, denominator${r});`,
      `let factor${r} = select(0.0, 1.0 / denominator${r}, denominator${r} > 0.0);`,
    );
  }
  const body = stores.join("\n");
  return pass.rowCount % rows === 0
    ? body
    : `if (tile * ${rows}u + ${r}u < ${pass.rowCount}u) {\n${body}\n}`;
}
