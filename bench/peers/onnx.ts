/**
 * Writes graphs as ONNX files: as much of the format as a transformer needs.
 *
 * ONNX is a protocol buffer; numbers of fields and types are those of `onnx.proto3`.
 *
 * @module
 */

/** The version of the operators' definitions. */
const operatorSet = 20;
const formatVersion = 9;

const elementTypes = { float: 1, int64: 7 } as const;

/** Type of the elements of a tensor. */
export type ElementType = keyof typeof elementTypes;

/** An attribute of an operation: whole numbers and fractions are different things in ONNX. */
export type Attribute = { int: number } | { float: number } | { ints: number[] } | { text: string };

/** Part of a file. */
type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

function joined(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function variable(value: number): Bytes {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...bytes, Number(rest));
}

const integer = (field: number, value: number): Bytes =>
  joined([variable(8 * field), variable(value)]);

const float = (field: number, value: number): Bytes =>
  joined([variable(8 * field + 5), new Uint8Array(Float32Array.of(value).buffer)]);

const message = (field: number, ...parts: Bytes[]): Bytes => {
  const content = joined(parts);
  return joined([variable(8 * field + 2), variable(content.length), content]);
};

const text = (field: number, value: string): Bytes => message(field, encoder.encode(value));

function attribute(name: string, value: Attribute): Bytes {
  if ("int" in value) return message(5, text(1, name), integer(3, value.int), integer(20, 2));
  if ("float" in value) return message(5, text(1, name), float(2, value.float), integer(20, 1));
  if ("text" in value) return message(5, text(1, name), text(4, value.text), integer(20, 3));
  return message(5, text(1, name), ...value.ints.map((i) => integer(8, i)), integer(20, 7));
}

function placeholder(field: number, name: string, type: ElementType, shape: number[]): Bytes {
  const sizes = shape.map((size) => message(1, integer(1, size)));
  const tensorType = message(1, integer(1, elementTypes[type]), message(2, ...sizes));
  return message(field, text(1, name), message(2, tensorType));
}

/** A graph that is being written; tensors go by their names. */
export class OnnxGraph {
  readonly #nodes: Bytes[] = [];
  readonly #constants: Bytes[] = [];
  readonly #inputs: Bytes[] = [];
  readonly #outputs: Bytes[] = [];
  #names = 0;

  #name(): string {
    return `t${this.#names++}`;
  }

  /** An input of the graph. */
  input(name: string, type: ElementType, shape: number[]): string {
    this.#inputs.push(placeholder(11, name, type, shape));
    return name;
  }

  /** An output of the graph, which holds floats. */
  output(name: string, value: string, shape: number[]): void {
    this.#nodes.push(message(1, text(1, value), text(2, name), text(4, "Identity")));
    this.#outputs.push(placeholder(12, name, "float", shape));
  }

  /** A tensor of numbers that never change. */
  floats(values: Float32Array<ArrayBuffer>, shape: number[]): string {
    return this.#constant("float", new Uint8Array(values.buffer), shape);
  }

  /** A list of whole numbers. */
  integers(...values: number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.#constant("int64", new Uint8Array(data.buffer), [values.length]);
  }

  #constant(type: ElementType, data: Bytes, shape: number[]): string {
    const name = this.#name();
    const sizes = shape.map((size) => integer(1, size));
    const kind = integer(2, elementTypes[type]);
    this.#constants.push(message(5, ...sizes, kind, text(8, name), message(9, data)));
    return name;
  }

  /** The result of an operation. */
  add(
    operation: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    return this.addAll(operation, inputs, 1, attributes)[0];
  }

  /** All results of an operation. */
  addAll(
    operation: string,
    inputs: readonly string[],
    results: number,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string[] {
    const names = Array.from({ length: results }, () => this.#name());
    this.#nodes.push(message(
      1,
      ...inputs.map((name) => text(1, name)),
      ...names.map((name) => text(2, name)),
      text(4, operation),
      ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    ));
    return names;
  }

  /** The whole file. */
  bytes(): Bytes {
    const parts = [...this.#nodes, text(2, "graph"), ...this.#constants];
    return joined([
      integer(1, formatVersion),
      message(7, ...parts, ...this.#inputs, ...this.#outputs),
      message(8, integer(2, operatorSet)),
    ]);
  }
}
