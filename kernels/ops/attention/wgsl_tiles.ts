/**
 * Attention for GPUs: a workgroup of 8 x 8 invocations owns a tile of rows of the score matrix and
 * visits the columns tile by tile.
 *
 * The scores of a tile are a small matrix product: slices of rows and columns, eight groups of four
 * wide, pass through workgroup memory, and each invocation (y, x) computes the scores of rows
 * y, y + 8, ... and columns x, x + 8, ... in registers. Their weights then go to workgroup memory,
 * and a second product adds the weighted columns: there an invocation owns the same rows and the
 * groups x, x + 8, ... of the output. With tiles of 32 x 32 everything takes less than 16 KiB at any
 * head width, and short sequences get smaller tiles.
 *
 * Strides of 9 (slices) and columns + 1 (weights) keep neighbouring rows in different banks.
 *
 * @module
 */
import { gridOf, type LinearKernel, literal } from "../../webgpu/emit/wgsl.ts";
import { type AttentionPass, type Product, products, repeat } from "./wgsl_pass.ts";

/** Invocations along each side of the workgroup. */
const side = 8;

/** Distance of two rows of a slice in workgroup memory, in groups of four. */
const sliceStride = side + 1;

/** Most sums (`vec4<f32>`) an invocation keeps in registers. */
const mostSums = 32;

/** Sizes of one kernel. */
interface Tiling {
  /** Rows and columns of the score tile that each invocation computes: 1, 2 or 4. */
  readonly rows: number;
  readonly columns: number;
  /** Groups of the output that each invocation sums up. */
  readonly slots: number;
}

function tilingOf({ rowCount, columnCount, groups, sums }: AttentionPass): Tiling {
  const perInvocation = (count: number): number => count <= side ? 1 : count <= 2 * side ? 2 : 4;
  const slots = Math.ceil(groups / side);
  let rows = perInvocation(rowCount);
  while (rows > 1 && rows * slots * sums.length > mostSums) rows /= 2;
  return { rows, columns: perInvocation(columnCount), slots };
}

/** The kernel of one pass. */
export function tileKernel(pass: AttentionPass): LinearKernel {
  const tiling = tilingOf(pass);
  const tiles = Math.ceil(pass.rowCount / (side * tiling.rows));
  const width = side * tiling.columns;
  // The range is the same for all invocations of the workgroup, as its barriers need it.
  const [first, end] = pass.segmented
    ? [`range.x - range.x % ${width}u`, "range.y"]
    : ["0u", `${pass.columnCount}u`];
  const { workgroups, groupIndex } = gridOf(pass.batch * pass.heads * tiles);
  const code = `${pass.declarations}
${workgroupMemory(pass, tiling)}
@compute @workgroup_size(${side * side})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
let index = ${groupIndex};
if (index >= ${pass.batch * pass.heads * tiles}u) { return; }
let x = lane % ${side}u;
let y = lane / ${side}u;
let rowBase = (index % ${tiles}u) * ${side * tiling.rows}u;
let h = (index / ${tiles}u) % ${pass.heads}u;
let n = index / ${tiles * pass.heads}u;
${prologue(pass, tiling)}
${pass.segmented ? "let range = visibleColumns(n, rowBase);" : ""}
for (var columnBase = ${first}; columnBase < ${end}; columnBase += ${width}u) {
${columnTile(pass, tiling)}
}
${epilogue(pass, tiling)}
}
`;
  return { code, workgroups };
}

function workgroupMemory(pass: AttentionPass, { rows, columns }: Tiling): string {
  const slices = Math.max((rows + columns) * side * sliceStride, columns * side * 2 * side);
  return `var<workgroup> slices: array<vec4<f32>, ${slices}>;
var<workgroup> weights: array<f32, ${rows * side * weightStride(columns)}>;
${pass.statistics ? "" : `var<workgroup> partial: array<f32, ${rows * side * side}>;`}
`;
}

const weightStride = (columns: number): number => columns * side + 1;

function pairs(rows: number, columns: number): [number, number][] {
  return Array.from({ length: rows * columns }, (_, i) => [Math.floor(i / columns), i % columns]);
}

/** `number`, or the last of `count` things when whole tiles hang over the end. */
function clamped(number: string, count: number, tile: number): string {
  return count % tile === 0 ? number : `min(${number}, ${count - 1}u)`;
}

/** Rows of this invocation: numbers, addresses, statistics, and sums set to zero. */
function prologue(pass: AttentionPass, { rows, slots }: Tiling): string {
  return repeat(rows, (r) => {
    const number = clamped(`rowBase + y + ${r * side}u`, pass.rowCount, side * rows);
    const lines = [`let row${r} = ${number};`];
    for (const { row } of products(pass)) {
      lines.push(`let ${row}RowAt${r} = ${row}Row(n, row${r}, h);`);
    }
    if (!pass.statistics) lines.push(`var maximum${r} = -1e30;`, `var denominator${r} = 0.0;`);
    if (pass.statistics === "row") {
      lines.push(`let rowStatistics${r} = statisticsOf(n, h, row${r});`);
    }
    if (pass.segmented) lines.push(`let rowSegment${r} = rowSegment(n, row${r});`);
    if (pass.biased) lines.push(`let rowPlace${r} = placeOf(row${r});`);
    for (const { output } of pass.sums) {
      lines.push(repeat(slots, (c) => `var ${output}${r}_${c} = vec4<f32>();`));
    }
    return lines.join("\n");
  });
}

/** Everything that happens to one tile of columns. */
function columnTile(pass: AttentionPass, tiling: Tiling): string {
  const { rows, columns } = tiling;
  const loaded = new Set(
    [...products(pass), ...pass.sums].map(({ column }) => column),
  );
  const head = [
    // Addresses of the columns that this invocation brings to workgroup memory ...
    repeat(columns, (c) => {
      const number = clamped(`columnBase + y + ${c * side}u`, pass.columnCount, side * columns);
      return `let brought${c} = ${number};\n` +
        [...loaded].map((t) => `let ${t}ColumnAt${c} = ${t}Row(n, brought${c}, h);`).join("\n");
    }),
    // ... and the columns of its scores.
    repeat(columns, (c) => columnOfScores(pass, tiling, c)),
    ...pairs(rows, columns).map(([r, c]) => visibility(pass, tiling, r, c)),
  ].join("\n");
  const body = [
    ...products(pass).map((product, i) => scoreTile(pass, tiling, product, "st"[i])),
    pass.statistics ? gradientWeights(pass, tiling) : softmax(pass, tiling),
    ...pass.sums.map((_, i) => weightedSum(pass, tiling, i)),
  ].join("\n");
  return `${head}\n${body}`;
}

function columnOfScores(pass: AttentionPass, { columns }: Tiling, c: number): string {
  const number = `columnBase + x + ${c * side}u`;
  const lines = [`let column${c} = ${clamped(number, pass.columnCount, side * columns)};`];
  if (pass.statistics === "column") {
    lines.push(`let columnStatistics${c} = statisticsOf(n, h, column${c});`);
  }
  if (pass.segmented) lines.push(`let columnSegment${c} = columnSegment(n, column${c});`);
  if (pass.biased) lines.push(`let columnPlace${c} = placeOf(column${c});`);
  return lines.join("\n");
}

/** Whether some pairs of a tile do not count: other segments, or columns past the end. */
function isMasked(pass: AttentionPass, { columns }: Tiling): boolean {
  return pass.segmented || pass.columnCount % (side * columns) !== 0;
}

function visibility(pass: AttentionPass, tiling: Tiling, r: number, c: number): string {
  const conditions: string[] = [];
  if (pass.columnCount % (side * tiling.columns) !== 0) {
    conditions.push(`columnBase + x + ${c * side}u < ${pass.columnCount}u`);
  }
  if (pass.segmented) conditions.push(`rowSegment${r} == columnSegment${c}`);
  return conditions.length === 0 ? "" : `let visible${r}_${c} = ${conditions.join(" && ")};`;
}

/** `<name><row>_<column>`: dot products of the rows and columns of the tile, slice by slice. */
function scoreTile(
  pass: AttentionPass,
  { rows, columns }: Tiling,
  { row, column }: Product,
  name: string,
): string {
  const { groups } = pass;
  const bring = (tensor: string, role: "Row" | "Column", first: number, count: number): string =>
    repeat(count, (i) => {
      const place = `slices[(y + ${first + i * side}u) * ${sliceStride}u + x]`;
      const vector = `${tensor}Load(${tensor}${role}At${i}, slice + x)`;
      return groups % side === 0
        ? `${place} = ${vector};`
        : `if (slice + x < ${groups}u) { ${place} = ${vector}; } else { ${place} = vec4<f32>(); }`;
    });
  return `${pairs(rows, columns).map(([r, c]) => `var ${name}${r}_${c} = 0.0;`).join("\n")}
for (var slice = 0u; slice < ${groups}u; slice += ${side}u) {
workgroupBarrier();
${bring(row, "Row", 0, rows)}
${bring(column, "Column", rows * side, columns)}
workgroupBarrier();
for (var k = 0u; k < ${Math.min(side, groups)}u; k++) {
${repeat(rows, (r) => `let a${r} = slices[(y + ${r * side}u) * ${sliceStride}u + k];`)}
${
    repeat(
      columns,
      (c) => `let b${c} = slices[(x + ${(rows + c) * side}u) * ${sliceStride}u + k];`,
    )
  }
${pairs(rows, columns).map(([r, c]) => `${name}${r}_${c} += dot(a${r}, b${c});`).join("\n")}
}
}`;
}

/** Online softmax of the tile; its probabilities go to workgroup memory. */
function softmax(pass: AttentionPass, tiling: Tiling): string {
  const { rows, columns, slots } = tiling;
  const masked = isMasked(pass, tiling);
  const { output } = pass.sums[0];
  const ownMaximum = (r: number): string =>
    Array.from(
      { length: columns },
      (_, c) => masked ? `select(-1e30, s${r}_${c}, visible${r}_${c})` : `s${r}_${c}`,
    )
      .reduce((a, b) => `max(${a}, ${b})`);
  const update = (r: number): string =>
    [
      `let newMaximum${r} = ${
        Array.from({ length: side }, (_, i) => partialOf(r, `${i}u`))
          .reduce((a, b) => `max(${a}, ${b})`, `maximum${r}`)
      };`,
      `let decay${r} = exp(maximum${r} - newMaximum${r});`,
      `maximum${r} = newMaximum${r};`,
      repeat(columns, (c) => probability(masked, r, c, `exp(s${r}_${c} - newMaximum${r})`)),
      // The invocations of a row keep a part of its denominator each.
      `denominator${r} = denominator${r} * decay${r} + ${
        Array.from({ length: columns }, (_, c) => `p${r}_${c}`).join(" + ")
      };`,
      repeat(slots, (c) => `${output}${r}_${c} *= decay${r};`),
    ].join("\n");
  return `${pairs(rows, columns).map(([r, c]) => scaledScore(pass, r, c)).join("\n")}
${repeat(rows, (r) => `${partialOf(r, "x")} = ${ownMaximum(r)};`)}
workgroupBarrier();
${repeat(rows, update)}`;
}

/** Entry of row `r` of this invocation and the given column of invocations. */
function partialOf(r: number, x: string): string {
  return `partial[(y + ${r * side}u) * ${side}u + ${x}]`;
}

function scaledScore(pass: AttentionPass, r: number, c: number): string {
  const bias = pass.biased ? `\ns${r}_${c} += biasOf(h, rowPlace${r}, columnPlace${c});` : "";
  return `s${r}_${c} *= ${literal(pass.scale)};${bias}`;
}

function probability(masked: boolean, r: number, c: number, value: string): string {
  return `let p${r}_${c} = ${masked ? `select(0.0, ${value}, visible${r}_${c})` : value};`;
}

/** Probabilities from the saved denominators, and gradients of the scaled scores. */
function gradientWeights(pass: AttentionPass, tiling: Tiling): string {
  const masked = isMasked(pass, tiling);
  return pairs(tiling.rows, tiling.columns).map(([r, c]) => {
    const statistics = pass.statistics === "row" ? `rowStatistics${r}` : `columnStatistics${c}`;
    return `${scaledScore(pass, r, c)}
${probability(masked, r, c, `exp(s${r}_${c} - ${statistics}.x)`)}
let ds${r}_${c} = p${r}_${c} * (t${r}_${c} - ${statistics}.y);`;
  }).join("\n");
}

/** Adds the weighted columns of the tile to one of the sums, two groups of an invocation at once. */
function weightedSum(pass: AttentionPass, tiling: Tiling, which: number): string {
  const { rows, columns, slots } = tiling;
  const { weight, column, output } = pass.sums[which];
  const stride = weightStride(columns);
  const store = pairs(rows, columns).map(([r, c]) =>
    `weights[(y + ${r * side}u) * ${stride}u + x + ${c * side}u] = ${weight}${r}_${c};`
  ).join("\n");
  // The weights of the preceding sum may still be in use.
  const lines = [which > 0 ? "workgroupBarrier();" : "", store];
  for (let first = 0; first < slots; first += 2) {
    const width = Math.min(2, slots - first);
    lines.push(
      "workgroupBarrier();",
      ...pairs(columns, width).map(([c, w]) =>
        bringColumn(
          pass,
          column,
          c,
          first + w,
          `(y + ${c * side}u) * ${width * side}u + x + ${w * side}u`,
        )
      ),
      "workgroupBarrier();",
      `for (var k = 0u; k < ${columns * side}u; k++) {`,
      repeat(rows, (r) => `let w${r} = vec4<f32>(weights[(y + ${r * side}u) * ${stride}u + k]);`),
      repeat(width, (w) => `let v${w} = slices[k * ${width * side}u + x + ${w * side}u];`),
      ...pairs(rows, width).map(([r, w]) => {
        const sum = `${output}${r}_${first + w}`;
        return `${sum} = fma(w${r}, v${w}, ${sum});`;
      }),
      "}",
    );
  }
  return lines.join("\n");
}

function bringColumn(
  pass: AttentionPass,
  tensor: string,
  c: number,
  slot: number,
  place: string,
): string {
  const group = `x + ${slot * side}u`;
  const load = `slices[${place}] = ${tensor}Load(${tensor}ColumnAt${c}, ${group});`;
  return (slot + 1) * side <= pass.groups ? load : `if (${group} < ${pass.groups}u) { ${load} }`;
}

/** Divides by the denominators (forward) and stores the sums. */
function epilogue(pass: AttentionPass, tiling: Tiling): string {
  const { rows, slots } = tiling;
  const denominators = pass.statistics ? "" : `workgroupBarrier();
${repeat(rows, (r) => `${partialOf(r, "x")} = denominator${r};`)}
workgroupBarrier();
${
    repeat(rows, (r) =>
      `let total${r} = ${
        Array.from({ length: side }, (_, i) =>
          partialOf(r, `${i}u`)).join(" + ")
      };`)
  }`;
  const stores = repeat(rows, (r) => {
    const lines = pass.statistics ? [] : [
      `if (x == 0u) { storeLogSumExp(n, h, row${r}, maximum${r}, total${r}); }`,
      `let factor${r} = select(0.0, 1.0 / total${r}, total${r} > 0.0);`,
    ];
    for (const { output, factor } of pass.sums) {
      const scaled = pass.statistics ? literal(factor) : `factor${r}`;
      lines.push(`let ${output}At${r} = ${output}Row(n, row${r}, h);`);
      for (let slot = 0; slot < slots; slot++) {
        const group = `x + ${slot * side}u`;
        const store =
          `${output}Store(${output}At${r}, ${group}, ${output}${r}_${slot} * ${scaled});`;
        const whole = (slot + 1) * side <= pass.groups;
        lines.push(whole ? store : `if (${group} < ${pass.groups}u) { ${store} }`);
      }
    }
    const body = lines.join("\n");
    const whole = pass.rowCount % (side * rows) === 0;
    return whole ? body : `if (rowBase + y + ${r * side}u < ${pass.rowCount}u) {\n${body}\n}`;
  });
  return `${denominators}\n${stores}`;
}
