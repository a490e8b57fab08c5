/**
 * Pieces of WGSL that every kernel is made of: literals, scalar expressions, bindings, addresses of
 * views, and grids.
 *
 * Kernels are text specialised to their shapes. Sizes, strides and offsets appear as constants, so
 * that the driver's compiler folds the address arithmetic; all of it is `u32`.
 *
 * @module
 */
import { type BinaryOp, type Expression, topological, type UnaryOp } from "../../expression.ts";
import type { ScalarType } from "../../expression.ts";
import type { View } from "../../view.ts";
import type { ArithmeticType, DType, Shape } from "../../shape.ts";
import type { Access, Binding, WebGPUContext } from "../lowering.ts";
import { halfFunctions } from "./wgsl_half.ts";
import {
  isMathFunction,
  type MathFunction,
  mathFunctions,
  vectorType,
  type Width,
} from "./wgsl_math.ts";

export { type MathFunction, mathFunctions, vectorType, type Width };

/**
 * `fn infinity() -> f32`. WGSL has no literal for infinity and rejects constant expressions that
 * overflow, so it goes through a variable.
 */
const infinityFunction =
  "fn infinity() -> f32 { var bits = 0x7f800000u; return bitcast<f32>(bits); }\n" +
  "fn notANumber() -> f32 { var bits = 0x7fc00000u; return bitcast<f32>(bits); }\n";

/** A scalar constant. Infinities and NaN call functions of `infinityFunction`. */
export function literal(value: number, type: ScalarType = "f32"): string {
  if (type === "bool") return value ? "true" : "false";
  if (type === "i32") return `i32(${value | 0})`;
  if (Number.isNaN(value)) return "notANumber()";
  const magnitude = Math.abs(Math.fround(value));
  const digits = magnitude === Infinity ? "infinity()" : `${magnitude}f`;
  return value < 0 || Object.is(value, -0) ? `(-${digits})` : digits;
}

/** A constant of a vector type. */
function wideLiteral(value: number, type: ScalarType, width: Width): string {
  const scalar = literal(value, type);
  return width === 1 ? scalar : `${vectorType(type, width)}(${scalar})`;
}

/** An expression as WGSL. */
export interface RenderedExpression {
  /** `let` statements, one a line. */
  readonly statements: string;
  /** Name or literal of the result. */
  readonly value: string;
}

/**
 * Turns an expression into `let` statements.
 *
 * @param load code that gives the element (of type `vectorType(type, width)`) of an operand
 * @param prefix starts the names of the statements; distinct for expressions in one scope
 */
export function renderExpression(
  root: Expression,
  load: (input: number, type: ArithmeticType) => string,
  { width = 1, prefix = "e" }: { width?: Width; prefix?: string } = {},
): RenderedExpression {
  const names = new Map<Expression, string>();
  const statements: string[] = [];
  for (const e of topological(root)) {
    if (e.op === "constant") {
      names.set(e, wideLiteral(e.value, e.type, width));
      continue;
    }
    const name = `${prefix}${names.size}`;
    const code = e.op === "load"
      ? load(e.input, e.type as ArithmeticType)
      : operation(e.op, e.args.map((arg) => names.get(arg)!), e, width);
    statements.push(`let ${name} = ${code};`);
    names.set(e, name);
  }
  return { statements: statements.join("\n"), value: names.get(root)! };
}

const infix: Partial<Record<BinaryOp, string>> = {
  add: "+",
  subtract: "-",
  multiply: "*",
  divide: "/",
  less: "<",
  lessEqual: "<=",
  equal: "==",
  and: "&",
  or: "|",
};

const builtIns: Partial<Record<UnaryOp | BinaryOp, string>> = {
  absolute: "abs",
  squareRoot: "sqrt",
  floor: "floor",
  maximum: "max",
  minimum: "min",
};

function operation(
  op: UnaryOp | BinaryOp | "select",
  args: readonly string[],
  e: Expression,
  width: Width,
): string {
  if (op === "select") return `select(${args[2]}, ${args[1]}, ${args[0]})`;
  if (op === "negate") return `-${args[0]}`;
  if (op === "not") return `!${args[0]}`;
  if (op === "toFloat" || op === "toInt") return `${vectorType(e.type, width)}(${args[0]})`;
  if (isMathFunction(op)) return `${op}${width}(${args[0]})`;
  const symbol = infix[op as BinaryOp];
  if (symbol) return `${args[0]} ${symbol} ${args[1]}`;
  return `${builtIns[op]!}(${args.join(", ")})`;
}

/**
 * The functions that expressions call when rendered.
 *
 * @param wide rendered with this width
 * @param scalar rendered with width 1 in the same kernel
 */
export function expressionFunctions(
  wide: readonly Expression[],
  width: Width = 1,
  scalar: readonly Expression[] = [],
): string {
  const special = [...wide, ...scalar].flatMap(topological)
    .some((e) => e.op === "constant" && !Number.isFinite(e.value));
  const functions = width === 1
    ? mathFunctions(usedFunctions([...wide, ...scalar]))
    : mathFunctions(usedFunctions(wide), width) + mathFunctions(usedFunctions(scalar));
  return (special ? infinityFunction : "") + functions;
}

function usedFunctions(roots: readonly Expression[]): MathFunction[] {
  return roots.flatMap(topological).flatMap((e) => isMathFunction(e.op) ? [e.op] : []);
}

/** Element types of storage bindings. */
export type StorageElement =
  | DType
  | "u32"
  | `vec4<${DType}>`
  | "vec2<f32>"
  | "vec2<u32>";

/** An operand as it is stored. */
export interface StoredOperand {
  /** Number of its buffer. */
  readonly buffer: number;
  readonly dtype: DType;
}

/**
 * The bindings of a kernel. A buffer that is used several times is bound once; one that is read and
 * written is bound as `read_write`.
 *
 * What is stored in half precision goes through `reader` and `writer`, so that kernels know single
 * precision only.
 */
export class BindingTable {
  readonly #entries: { buffer: number; access: Access; element: string; name: string }[] = [];
  readonly #halves: boolean;
  readonly #constants: Pick<WebGPUContext, "constant"> | undefined;
  readonly #offsets: number[] = [];
  #unpacksHalves = false;

  /**
   * @param context says whether WGSL's type `f16` may be used; otherwise halves are unpacked from words,
   * and cannot be written
   * @param offsets where offsets are kept; without it they become part of the text
   */
  constructor(
    context?: Pick<WebGPUContext, "halves">,
    offsets?: Pick<WebGPUContext, "constant">,
  ) {
    this.#halves = context?.halves ?? false;
    this.#constants = offsets;
  }

  /**
   * `u32` code for the first element of a view. It is read from a table, so that kernels which
   * differ only in their places in a buffer share a pipeline.
   */
  offset(value: number): string {
    if (value === 0 || !this.#constants) return `${value}u`;
    const place = this.#offsets.push(value) - 1;
    return `offsets[${place >> 2}].${"xyzw"[place & 3]}`;
  }

  /** Name of the array through which `buffer` is used: `b0`, `b1`, ... */
  use(buffer: number, access: "read" | "write", element: StorageElement = "f32"): string {
    const known = this.#entries.find((entry) => entry.buffer === buffer);
    if (!known) {
      const name = `b${this.#entries.length}`;
      this.#entries.push({ buffer, access, element, name });
      return name;
    }
    if (known.element !== element) {
      throw new Error(`buffer ${buffer} is bound as ${known.element} and as ${element}`);
    }
    if (access === "write") known.access = "write";
    return known.name;
  }

  /**
   * How `width` neighbouring numbers of an operand are read: WGSL of an address, in units of
   * `width`, to WGSL of the numbers, of which halves come in single precision.
   */
  reader({ buffer, dtype }: StoredOperand, width: Width = 1): (address: string) => string {
    if (dtype !== "f16" || this.#halves) {
      const name = this.use(buffer, "read", elementType(dtype, width));
      return dtype === "f16"
        ? (address) => `${vectorType("f32", width)}(${name}[${address}])`
        : (address) => `${name}[${address}]`;
    }
    this.#unpacksHalves = true;
    const name = this.use(buffer, "read", width === 4 ? "vec2<u32>" : "u32");
    return width === 4
      ? (address) => `widenFour(${name}[${address}])`
      : (address) => `widenOne(${name}[(${address}) / 2u], (${address}) % 2u)`;
  }

  /**
   * How `width` neighbouring numbers of an operand are written: WGSL of an address, in units of
   * `width`, and of the numbers, of which floating-point ones come in single precision, to a statement.
   *
   * @throws Error for halves where the device has no such type
   */
  writer(
    { buffer, dtype }: StoredOperand,
    width: Width = 1,
  ): (address: string, value: string) => string {
    if (dtype === "f16" && !this.#halves) {
      throw new Error(`buffer ${buffer} is in half precision, which this device only reads`);
    }
    const element = elementType(dtype, width);
    const name = this.use(buffer, "write", element);
    return dtype === "f16"
      ? (address, value) => `${name}[${address}] = ${element}(${value});`
      : (address, value) => `${name}[${address}] = ${value};`;
  }

  /** The list for a `Dispatch`. */
  get bindings(): Binding[] {
    const storage: Binding[] = this.#entries.map(({ buffer, access }) => ({ buffer, access }));
    const size = this.#offsetBytes;
    if (!this.#constants || size === 0) return storage;
    const table = new Uint32Array(size / 4);
    table.set(this.#offsets);
    return [...storage, { buffer: this.#constants.constant(table), access: "uniform", size }];
  }

  get #offsetBytes(): number {
    return Math.ceil(this.#offsets.length / 4) * 16;
  }

  /**
   * The declarations in WGSL, with the functions that readers call: the beginning of the text. To be
   * asked for after everything was used.
   *
   * @throws Error when there are more than `limit` bindings (8 on every device)
   */
  declarations(limit = 8): string {
    if (this.#entries.length > limit) {
      throw new Error(
        `a kernel binds ${this.#entries.length} storage buffers; the device allows ${limit}`,
      );
    }
    const isHalf = this.#entries.some(({ element }) => element.includes("f16"));
    const functions = this.#unpacksHalves ? halfFunctions : "";
    const storage = (isHalf ? "enable f16;\n" : "") + functions +
      this.#entries.map(({ access, element, name }, position) =>
        `@group(0) @binding(${position}) var<storage, ${
          access === "write" ? "read_write" : "read"
        }> ${name}: array<${element}>;\n`
      ).join("");
    const bytes = this.#offsetBytes;
    return bytes === 0 ? storage : `${storage}@group(0) @binding(${this.#entries.length}) ` +
      `var<uniform> offsets: array<vec4<u32>, ${bytes / 16}>;\n`;
  }
}

/** The type of `width` numbers in a storage binding. */
function elementType(dtype: DType, width: Width): StorageElement {
  return width === 4 ? `vec4<${dtype}>` : dtype;
}

/** Strides and offset of a view: all that its addresses need. */
export type Strided = Pick<View, "offset" | "strides">;

/** An iteration space with as few axes as the views allow. */
export interface CollapsedAxes {
  readonly shape: number[];
  /** One list of strides for each view. */
  readonly strides: number[][];
}

/** Drops axes of size 1 and merges neighbours that every view walks through without a jump. */
export function collapseAxes(shape: Shape, views: readonly Strided[]): CollapsedAxes {
  const sizes: number[] = [];
  const strides: number[][] = views.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] === 1) continue;
    const last = sizes.length - 1;
    const mergeable = last >= 0 &&
      views.every((view, v) => strides[v][last] === view.strides[axis] * shape[axis]);
    if (mergeable) {
      sizes[last] *= shape[axis];
      views.forEach((view, v) => strides[v][last] = view.strides[axis]);
    } else {
      sizes.push(shape[axis]);
      views.forEach((view, v) => strides[v].push(view.strides[axis]));
    }
  }
  return { shape: sizes, strides };
}

/** WGSL that turns one linear index into addresses. */
export interface ViewAddresses {
  /** `let` statements for the coordinates. */
  readonly statements: string;
  /** For each view a `u32` expression: the element's place in its buffer. */
  readonly addresses: string[];
}

/**
 * Addresses of the element with row-major number `index` (a `u32` name) of the iteration space
 * `shape` in several views of that shape.
 *
 * @param prefix starts the names of the coordinates; distinct for calls in one scope
 * @param offsetCode `u32` code for a view's offset
 */
export function viewAddresses(
  shape: Shape,
  views: readonly Strided[],
  index: string,
  prefix = "x",
  offsetCode: (offset: number) => string = (offset) => `${offset}u`,
): ViewAddresses {
  const { shape: sizes, strides } = collapseAxes(shape, views);
  const statements: string[] = [];
  const coordinates: string[] = [];
  let rest = index;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    if (axis === 0) {
      coordinates[axis] = rest;
      continue;
    }
    statements.push(`let ${prefix}${axis} = ${rest} % ${sizes[axis]}u;`);
    statements.push(`let ${prefix}r${axis} = ${rest} / ${sizes[axis]}u;`);
    coordinates[axis] = `${prefix}${axis}`;
    rest = `${prefix}r${axis}`;
  }
  const addresses = views.map((view, v) => {
    const place = affine(0, coordinates, strides[v]);
    return view.offset === 0 ? place : `${place} + ${offsetCode(view.offset)}`;
  });
  return { statements: statements.join("\n"), addresses };
}

/** `offset + sum of coordinates * strides` in `u32`, constants folded. */
export function affine(
  offset: number,
  coordinates: readonly string[],
  strides: readonly number[],
): string {
  const terms = coordinates.flatMap((coordinate, axis) =>
    strides[axis] === 0
      ? []
      : [strides[axis] === 1 ? coordinate : `${coordinate} * ${strides[axis]}u`]
  );
  if (offset !== 0 || terms.length === 0) terms.push(`${offset}u`);
  return terms.join(" + ");
}

/** Whether a view's elements lie one behind the other. */
export function isContiguous(view: Pick<View, "shape" | "strides">): boolean {
  const { shape, strides } = collapseAxes(view.shape, [{ offset: 0, strides: view.strides }]);
  return shape.length === 0 || (shape.length === 1 && strides[0][0] === 1);
}

/** A grid of workgroups, and how a kernel finds its place in it. */
export interface Grid {
  readonly workgroups: [number, number, number];
  /** `u32` expression: number of this workgroup, given `workgroup_id` as `group`. */
  readonly groupIndex: string;
}

/** Lays `groups` workgroups out in two dimensions, as one may hold no more than 65,535. */
export function gridOf(groups: number): Grid {
  const width = Math.min(groups, 32768);
  const height = Math.ceil(groups / width);
  const groupIndex = height === 1 ? "group.x" : `(group.y * ${width}u + group.x)`;
  return { workgroups: [width, height, 1], groupIndex };
}

/** A kernel over a linear index. */
export interface LinearKernel {
  readonly code: string;
  readonly workgroups: [number, number, number];
}

/**
 * A kernel that runs `body` for every `index` (u32) below `count`.
 *
 * @param declarations bindings and functions that come before the entry point
 * @param workgroupSize invocations a workgroup, at most 256
 */
export function linearKernel(
  count: number,
  declarations: string,
  body: string,
  workgroupSize = 64,
): LinearKernel {
  const groups = Math.ceil(count / workgroupSize);
  const { workgroups, groupIndex } = gridOf(groups);
  const exact = workgroups[0] * workgroups[1] * workgroupSize === count;
  const code = `${declarations}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
let index = ${groupIndex} * ${workgroupSize}u + lane;
${exact ? "" : `if (index >= ${count}u) { return; }`}
${body}
}
`;
  return { code, workgroups };
}
