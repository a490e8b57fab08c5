/**
 * Attention without workgroup memory, for software adapters, where barriers and workgroup memory
 * cost more than they save and loads are far dearer than arithmetic.
 *
 * Every invocation owns a few rows of the score matrix and keeps their vectors, and what it sums up
 * for them, in variables: one `vec4<f32>` for each row and group of four columns of a head (arrays
 * would live in memory). It visits the columns of the score matrix one by one, so that every loaded
 * vector serves all of its rows. (Two columns at once would halve the traffic of the sums, but were
 * slower: there are no registers left to hold them.)
 *
 * Names in the generated text: `<tensor><row>_<group>`, e.g. `query1_15`; without a row for the
 * current column, e.g. `key_15`.
 *
 * @module
 */
import { type LinearKernel, linearKernel, literal } from "../../webgpu/emit/wgsl.ts";
import { type AttentionPass, type Product, products, repeat } from "./wgsl_pass.ts";
import { segmentBlock } from "./wgsl_segments.ts";

/** Invocations a workgroup: few, as lavapipe spreads workgroups, not invocations, over threads. */
const workgroupSize = 16;

/** Most rows of an invocation, and most `vec4<f32>` variables that all of its rows may take. */
const mostRows = 4;
const mostVariables = 128;

/**
 * Rows that an invocation owns: fewer when they are wide. Where rows are not aligned a load of four
 * columns is four loads, and compiling takes long enough with one row.
 */
function rowsOf(pass: AttentionPass): number {
  if (!pass.aligned) return 1;
  const variablesOfRow = (products(pass).length + pass.sums.length) * pass.groups;
  const fitting = Math.floor(mostVariables / variablesOfRow);
  const rows = Math.min(pass.rowCount, mostRows, Math.max(1, fitting));
  // The range of columns is known for blocks of segments: a tile must lie in one of them.
  return pass.segmented && segmentBlock % rows !== 0 ? rows - 1 : rows;
}

/** The kernel of one pass. */
export function registerKernel(pass: AttentionPass): LinearKernel {
  const rows = rowsOf(pass);
  const tiles = Math.ceil(pass.rowCount / rows);
  const [first, end] = pass.segmented ? ["range.x", "range.y"] : ["0u", `${pass.columnCount}u`];
  const body = `let firstRow = (index % ${tiles}u) * ${rows}u;
let h = (index / ${tiles}u) % ${pass.heads}u;
let n = index / ${tiles * pass.heads}u;
${repeat(rows, (r) => prologue(pass, rows, r))}
${products(pass).map(({ row }) => loadRows(pass, row, rows)).join("\n")}
${pass.segmented ? "let range = visibleColumns(n, firstRow);" : ""}
for (var column = ${first}; column < ${end}; column++) {
${visitColumn(pass, rows)}
}
${pass.statistics ? "" : repeat(rows, (r) => denominator(pass, rows, r))}
${pass.sums.map((_, i) => storeRows(pass, i, rows)).join("\n")}`;
  const count = pass.batch * pass.heads * tiles;
  return linearKernel(count, pass.declarations, body, workgroupSize);
}

/** Does `body` unless row `r` of the tile hangs over the end. */
function ifInside(pass: AttentionPass, rows: number, r: number, body: string): string {
  return pass.rowCount % rows === 0
    ? body
    : `if (firstRow + ${r}u < ${pass.rowCount}u) {\n${body}\n}`;
}

/** Loads the rows of a tensor into variables. */
function loadRows(pass: AttentionPass, tensor: string, rows: number): string {
  const factor = tensor === pass.scores.row ? ` * ${literal(pass.scale)}` : "";
  return repeat(rows, (r) => {
    const loads = repeat(
      pass.groups,
      (d) => `let ${tensor}${r}_${d} = ${tensor}Load(${tensor}At${r}, ${d}u)${factor};`,
    );
    return `let ${tensor}At${r} = ${tensor}Row(n, row${r}, h);\n${loads}`;
  });
}

/** Row `r` of the tile: its number, statistics, and sums set to zero. */
function prologue(pass: AttentionPass, rows: number, r: number): string {
  const number = `firstRow + ${r}u`;
  // A tile that hangs over the end repeats the last row and does not store it.
  const row = pass.rowCount % rows === 0 ? number : `min(${number}, ${pass.rowCount - 1}u)`;
  const lines = [`let row${r} = ${row};`];
  if (pass.statistics === "row") lines.push(`let rowStatistics${r} = statisticsOf(n, h, row${r});`);
  if (!pass.statistics) lines.push(`var maximum${r} = -1e30;`, `var denominator${r} = 0.0;`);
  if (pass.segmented) lines.push(`let rowSegment${r} = rowSegment(n, row${r});`);
  if (pass.biased) lines.push(`let rowPlace${r} = placeOf(row${r});`);
  for (const { output } of pass.sums) {
    lines.push(repeat(pass.groups, (d) => `var ${output}${r}_${d} = vec4<f32>();`));
  }
  return lines.join("\n");
}

/** Everything that happens to one column. */
function visitColumn(pass: AttentionPass, rows: number): string {
  const statistics = pass.statistics === "column"
    ? "let columnStatistics = statisticsOf(n, h, column);"
    : "";
  const visible = pass.segmented
    ? [
      "let columnSegment = columnSegment(n, column);",
      repeat(rows, (r) => `let visible${r} = rowSegment${r} == columnSegment;`),
      `if (!(${Array.from({ length: rows }, (_, r) => `visible${r}`).join(" || ")})) { continue; }`,
    ].join("\n")
    : "";
  return [
    visible,
    statistics,
    pass.biased ? "let columnPlace = placeOf(column);" : "",
    ...products(pass).map((product, i) => dotProducts(pass, product, "st"[i], rows)),
    repeat(rows, (r) => pass.statistics ? gradientWeights(pass, r) : softmax(pass, r)),
    ...pass.sums.map((_, i) => weightedSum(pass, i, rows)),
  ].join("\n");
}

/**
 * `<name><row>`: dot products of all rows with the column, which is loaded on the way; scores with their
 * bias.
 */
function dotProducts(
  pass: AttentionPass,
  { row, column }: Product,
  name: string,
  rows: number,
): string {
  const bias = (r: number): string =>
    pass.biased && name === "s" ? ` + biasOf(h, rowPlace${r}, columnPlace)` : "";
  return [
    `let ${column}At = ${column}Row(n, column, h);`,
    repeat(rows, (r) => `var ${name}Sum${r} = vec4<f32>();`),
    repeat(pass.groups, (d) =>
      [
        `let ${column}_${d} = ${column}Load(${column}At, ${d}u);`,
        repeat(
          rows,
          (r) => `${name}Sum${r} = fma(${row}${r}_${d}, ${column}_${d}, ${name}Sum${r});`,
        ),
      ].join("\n")),
    repeat(rows, (r) => `let ${name}${r} = dot(${name}Sum${r}, vec4<f32>(1.0))${bias(r)};`),
  ].join("\n");
}

/** Online softmax: new maximum of row `r`, what was summed so far scaled down to it, weight p. */
function softmax(pass: AttentionPass, r: number): string {
  const { output } = pass.sums[0];
  const score = pass.segmented ? `select(-1e30, s${r}, visible${r})` : `s${r}`;
  return [
    `let newMaximum${r} = max(maximum${r}, ${score});`,
    `let decay${r} = exp(maximum${r} - newMaximum${r});`,
    `maximum${r} = newMaximum${r};`,
    probability(pass, r, `exp(s${r} - newMaximum${r})`),
    `denominator${r} = denominator${r} * decay${r} + p${r};`,
    repeat(pass.groups, (d) => `${output}${r}_${d} *= decay${r};`),
  ].join("\n");
}

/** Probability from the saved denominator, and gradient of the scaled score. */
function gradientWeights(pass: AttentionPass, r: number): string {
  const statistics = pass.statistics === "row" ? `rowStatistics${r}` : "columnStatistics";
  return `${probability(pass, r, `exp(s${r} - ${statistics}.x)`)}
let ds${r} = p${r} * (t${r} - ${statistics}.y);`;
}

function probability(pass: AttentionPass, r: number, value: string): string {
  return `let p${r} = ${pass.segmented ? `select(0.0, ${value}, visible${r})` : value};`;
}

/** Adds the weighted column to one of the sums of all rows. */
function weightedSum(pass: AttentionPass, which: number, rows: number): string {
  const { weight, column, output } = pass.sums[which];
  const loaded = products(pass).some((product) => product.column === column);
  return [
    loaded ? "" : `let ${column}At = ${column}Row(n, column, h);`,
    repeat(pass.groups, (d) =>
      [
        loaded ? "" : `let ${column}_${d} = ${column}Load(${column}At, ${d}u);`,
        repeat(rows, (r) => {
          const sum = `${output}${r}_${d}`;
          return `${sum} = fma(vec4<f32>(${weight}${r}), ${column}_${d}, ${sum});`;
        }),
      ].join("\n")),
  ].join("\n");
}

/** Stores the log-sum-exp of row `r`; `factor<r>` divides its sums by the denominator. */
function denominator(pass: AttentionPass, rows: number, r: number): string {
  const store = `storeLogSumExp(n, h, row${r}, maximum${r}, denominator${r});`;
  return `${ifInside(pass, rows, r, store)}
let factor${r} = select(0.0, 1.0 / denominator${r}, denominator${r} > 0.0);`;
}

/** Stores one of the sums of all rows. */
function storeRows(pass: AttentionPass, which: number, rows: number): string {
  const { output, factor } = pass.sums[which];
  return repeat(rows, (r) => {
    const scaled = pass.statistics ? literal(factor) : `factor${r}`;
    const stores = repeat(
      pass.groups,
      (d) => `${output}Store(${output}At${r}, ${d}u, ${output}${r}_${d} * ${scaled});`,
    );
    return `let ${output}At${r} = ${output}Row(n, row${r}, h);\n${ifInside(pass, rows, r, stores)}`;
  });
}
