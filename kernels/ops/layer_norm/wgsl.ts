/**
 * Layer norm and its gradient on WebGPU.
 *
 * A row belongs to a team of neighbouring invocations, which walk over it side by side, four columns
 * each where all rows are aligned, and combine their sums by a fixed tree in workgroup memory. The
 * row is read once a pass: the first pass brings it to the cache, so that no width is too large. On
 * software adapters, where barriers are dear and rows are many, a team is a single invocation.
 *
 * @module
 */
import type { View } from "../../view.ts";
import { elementCount, formatShape } from "../../shape.ts";
import type { Dispatch, WebGPUContext, WebGPULowering } from "../../webgpu/lowering.ts";
import {
  BindingTable,
  gridOf,
  literal,
  vectorType,
  viewAddresses,
  type Width,
} from "../../webgpu/emit/wgsl.ts";
import type { LayerNormGradientStep, LayerNormStep } from "./step.ts";

/** Layer norm: one dispatch. */
export const lowerLayerNorm: WebGPULowering<LayerNormStep> = (step, context) => {
  const { input, scale, shift, statistics, output } = step;
  const rows = new RowKernel({ input, scale, shift }, output, context);
  const factor = scale ? `rstd * (${rows.constant(1)} + ${rows.element("scale")})` : "rstd";
  const bias = shift ? ` + ${rows.element("shift")}` : "";
  const centered = `(${rows.element("input")} - mean)`;
  const body = [
    rows.means("", { mean: rows.element("input") }),
    rows.means("", { variance: `${centered} * ${centered}` }),
    `let rstd = 1.0 / sqrt(variance + ${literal(step.epsilon)});`,
    rows.store(`${centered} * ${factor}${bias}`),
    statistics ? rows.storeStatistics(statistics) : "",
  ].join("\n");
  return [rows.dispatch(`layer norm ${formatShape(input.shape)}`, body)];
};

/** Gradient of a layer norm with respect to its input: one dispatch. */
export const lowerLayerNormGradient: WebGPULowering<LayerNormGradientStep> = (step, context) => {
  const { input, scale, outputGradient, addend, output } = step;
  const rows = new RowKernel({ input, scale, outputGradient, addend }, output, context);
  const modulation = scale ? ` * (${rows.constant(1)} + ${rows.element("scale")})` : "";
  const load = `let normalized = (${rows.element("input")} - mean) * rstd;
let g = ${rows.element("outputGradient")}${modulation};`;
  const sum = addend ? `${rows.element("addend")} + ` : "";
  const body = [
    rows.loadStatistics(step.statistics),
    rows.means(load, { meanGradient: "g", meanProduct: "g * normalized" }),
    rows.store(`${sum}rstd * (g - meanGradient - normalized * meanProduct)`, load),
  ].join("\n");
  return [rows.dispatch(`layer norm gradient ${formatShape(input.shape)}`, body)];
};

/** Invocations a workgroup. */
const workgroupSize = 64;

/** Builds a kernel over the rows of tensors of one shape. */
class RowKernel {
  readonly #table: BindingTable;
  readonly #rows: number;
  readonly #width: Width;
  /** Columns of a row, or groups of four of them. */
  readonly #columns: number;
  /** Invocations that share a row: a power of two. */
  readonly #team: number;
  readonly #elements = new Map<string, string>();
  readonly #store: (value: string) => string;
  readonly #addresses: string;

  /** @param inputs tensors of the output's shape by name; absent ones are left out */
  constructor(
    inputs: Readonly<Record<string, View | undefined>>,
    output: View,
    context: WebGPUContext,
  ) {
    this.#table = new BindingTable(context);
    const tensors = Object.entries({ ...inputs, output })
      .flatMap(([name, view]) => view ? [{ name, view }] : []);
    const leading = output.shape.slice(0, -1);
    this.#rows = elementCount(leading);
    this.#width = tensors.every(({ view }) => isAligned(view)) ? 4 : 1;
    this.#columns = output.shape[output.shape.length - 1] / this.#width;
    this.#team = context.software
      ? 1
      : Math.min(workgroupSize, 2 ** Math.ceil(Math.log2(this.#columns)));
    const places = tensors.map(({ view: { offset, strides } }) => ({
      offset: offset / this.#width,
      strides: strides.slice(0, -1).map((stride) => stride / this.#width),
    }));
    const { statements, addresses } = viewAddresses(leading, places, "row");
    const lets = tensors.map(({ name }, i) => `let ${name}At = ${addresses[i]};`);
    this.#addresses = [statements, ...lets].join("\n");
    for (const { name, view } of tensors) {
      this.#elements.set(name, this.#table.reader(view, this.#width)(`${name}At + c`));
    }
    const write = this.#table.writer(output, this.#width);
    this.#store = (value) => write("outputAt + c", value);
  }

  /** The element of a tensor in column (or group of columns) `c`. */
  element(name: string): string {
    return this.#elements.get(name)!;
  }

  /** A constant of the type of elements. */
  constant(value: number): string {
    return `${vectorType("f32", this.#width)}(${literal(value)})`;
  }

  /** Names means over the row of expressions of `c` (and of what `load` defines): at most two. */
  means(load: string, terms: Readonly<Record<string, string>>): string {
    const names = Object.keys(terms);
    const zero = this.constant(0);
    const total = (name: string): string =>
      this.#width === 4 ? `dot(${name}Sum, ${this.constant(1)})` : `${name}Sum`;
    const divisor = literal(this.#columns * this.#width);
    return [
      ...names.map((name) => `var ${name}Sum = ${zero};`),
      this.#forColumns(
        [load, ...names.map((name) => `${name}Sum += ${terms[name]};`)].join("\n"),
      ),
      ...names.map((name) => `var ${name}Total = ${total(name)};`),
      this.#combine(names.map((name) => `${name}Total`)),
      ...names.map((name) => `let ${name} = ${name}Total / ${divisor};`),
    ].join("\n");
  }

  /** Stores an expression of `c` (and of what `load` defines) in every column. */
  store(value: string, load = ""): string {
    return this.#ifInside(
      this.#forColumns(`${load}\n${this.#store(value)}`),
    );
  }

  storeStatistics(statistics: View): string {
    const array = this.#table.use(statistics.buffer, "write");
    const at = (i: number): string => `${array}[2u * row + ${statistics.offset + i}u]`;
    const store = `if (member == 0u) { ${at(0)} = mean; ${at(1)} = rstd; }`;
    return this.#ifInside(store);
  }

  loadStatistics(statistics: View): string {
    const array = this.#table.use(statistics.buffer, "read");
    const at = (i: number): string => `${array}[2u * row + ${statistics.offset + i}u]`;
    return `let mean = ${at(0)};\nlet rstd = ${at(1)};`;
  }

  dispatch(label: string, body: string): Dispatch {
    const team = this.#team;
    const rowsPerGroup = workgroupSize / team;
    const { workgroups, groupIndex } = gridOf(Math.ceil(this.#rows / rowsPerGroup));
    const memory = team > 1 ? `var<workgroup> partial: array<vec2<f32>, ${workgroupSize}>;\n` : "";
    const code = `${this.#table.declarations()}${memory}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
let member = lane % ${team}u;
let ownRow = ${groupIndex} * ${rowsPerGroup}u + lane / ${team}u;
// Barriers are for all: teams past the end repeat the last row and store nothing.
let row = min(ownRow, ${this.#rows - 1}u);
${this.#addresses}
${body}
}
`;
    return { label, code, bindings: this.#table.bindings, workgroups };
  }

  #forColumns(body: string): string {
    const trips = Math.ceil(this.#columns / this.#team);
    const guard = this.#columns % this.#team === 0 ? "" : `if (c >= ${this.#columns}u) { break; }`;
    return `for (var k = 0u; k < ${trips}u; k++) {
let c = k * ${this.#team}u + member;
${guard}
${body}
}`;
  }

  #ifInside(body: string): string {
    return `if (ownRow < ${this.#rows}u) {\n${body}\n}`;
  }

  /** Replaces one or two variables by their sums over the team, in an order that never changes. */
  #combine(variables: readonly string[]): string {
    if (this.#team === 1) return "";
    const [first, second = "0.0"] = variables;
    const steps: string[] = [
      "workgroupBarrier();",
      `partial[lane] = vec2<f32>(${first}, ${second});`,
    ];
    for (let distance = this.#team / 2; distance >= 1; distance /= 2) {
      steps.push(
        "workgroupBarrier();",
        `if (member < ${distance}u) { partial[lane] += partial[lane + ${distance}u]; }`,
      );
    }
    steps.push(
      "workgroupBarrier();",
      ...variables.map((name, i) => `${name} = partial[lane - member].${"xy"[i]};`),
    );
    return steps.join("\n");
  }
}

/** Whether every row starts at a multiple of four elements and consists of whole groups of four. */
function isAligned({ shape, strides, offset }: View): boolean {
  const last = shape.length - 1;
  return shape[last] % 4 === 0 && offset % 4 === 0 &&
    strides.every((stride, axis) => axis === last || shape[axis] === 1 || stride % 4 === 0);
}
