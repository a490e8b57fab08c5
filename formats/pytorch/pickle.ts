/**
 * A restricted reader of Python's pickles.
 *
 * A pickle is a program for a stack machine, and what it may call decides whether it is data or an
 * attack. This machine calls nothing: names of Python's are looked up in a table that the caller gives,
 * of functions that only put values together, and any other name ends the reading.
 *
 * @module
 */
import { InputError, quote } from "../../base/errors.ts";
import type { ByteReader } from "./byte_reader.ts";

/** What a pickle may hold. Tuples are arrays, sets are arrays, dicts are maps. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleObject;

/** What a name of Python's made, by which it is told apart. */
export abstract class PickleObject {
  /** Takes over the state that a pickle gives an object after it was made; does nothing here. */
  setState(_state: PickleValue): void {}
}

/** A name of Python's, not called (yet). */
export class PickleName extends PickleObject {
  /** @param name with its module in front: `collections.OrderedDict` */
  constructor(readonly name: string) {
    super();
  }
}

/** What a name of Python's stands for: makes a value of the arguments that a pickle calls it with. */
export type Constructor = (...args: PickleValue[]) => PickleValue;

/** What a pickle may refer to. */
export interface PickleWorld {
  /** What may be called, by module and name. */
  readonly constructors: ReadonlyMap<string, Constructor>;
  /** Whether a name may stand for itself, as types of elements do. */
  isName(name: string): boolean;
  /** The value that lies outside of the pickle. */
  persistent(id: PickleValue): PickleValue;
}

/** Most values a pickle may put on its stack or remember: a hundred times as many as a checkpoint. */
const mostValues = 20_000_000;

/** Marks the start of the operands of an operation on the stack. */
const mark = Symbol("mark");

type Operation = (machine: PickleMachine) => void;

/** A stack machine without side effects. */
class PickleMachine {
  readonly stack: (PickleValue | typeof mark)[] = [];
  readonly memo = new Map<number, PickleValue>();

  constructor(readonly bytes: ByteReader, readonly world: PickleWorld) {}

  /** Runs to the end of one pickle. */
  run(): PickleValue {
    for (let count = 0;; count++) {
      if (count > mostValues) throw this.bytes.problem("a pickle without an end");
      const code = this.bytes.byte();
      if (code === stop) return this.pop();
      const operation = operations.get(code);
      if (!operation) throw this.bytes.problem(`the unknown pickle operation ${code}`);
      operation(this);
    }
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    const value = this.stack.pop();
    if (value === undefined || value === mark) throw this.bytes.problem("an empty stack");
    return value;
  }

  /** The value at the top, which stays there. */
  top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined || value === mark) throw this.bytes.problem("an empty stack");
    return value;
  }

  /** The values above the last mark, which goes with them. */
  popToMark(): PickleValue[] {
    const at = this.stack.lastIndexOf(mark);
    if (at < 0) throw this.bytes.problem("operands without a mark");
    const values = this.stack.splice(at);
    return values.slice(1) as PickleValue[];
  }

  remember(key: number): void {
    this.memo.set(key, this.top());
  }

  recall(key: number): void {
    const value = this.memo.get(key);
    if (value === undefined) throw this.bytes.problem(`the unknown memory ${key}`);
    this.push(value);
  }

  /** Looks a name of Python's up. */
  find(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.world.constructors.has(full) && !this.world.isName(full)) {
      throw new InputError(
        `${this.bytes.file.path}: holds ${quote(full)}, which is neither a tensor nor a plain ` +
          "container: only running the file's own program could make it, so it is not read",
      );
    }
    this.push(new PickleName(full));
  }

  /** Calls what lies under its arguments. */
  call(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!(callee instanceof PickleName) || !Array.isArray(args)) {
      throw this.bytes.problem("a call of what is no name");
    }
    const make = this.world.constructors.get(callee.name);
    if (!make) {
      throw new InputError(
        `${this.bytes.file.path}: calls ${quote(callee.name)}, so it is not read`,
      );
    }
    this.push(make(...args));
  }

  /** Gives the object under it its state. */
  build(): void {
    const state = this.pop();
    const object = this.top();
    if (object instanceof PickleObject) object.setState(state);
    // Attributes of dicts, such as the _metadata of a state dict, say nothing about tensors.
    else if (!(object instanceof Map)) throw this.bytes.problem("state for what has none");
  }

  append(values: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw this.bytes.problem("elements for what is no list");
    for (const value of values) list.push(value);
  }

  /** Sets items of a dict: keys and values in turn. */
  setItems(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof Map) || items.length % 2 !== 0) {
      throw this.bytes.problem("items for what is no dict");
    }
    for (let index = 0; index < items.length; index += 2) dict.set(items[index], items[index + 1]);
  }

  /** Text of a length that is told, in UTF-8. */
  text(length: number): void {
    this.push(new TextDecoder().decode(this.bytes.bytes(length)));
  }

  /** An integer in text, also as protocol 0 writes booleans. */
  decimal(text: string): void {
    if (text === "00" || text === "01") return this.push(text === "01");
    if (!/^-?\d{1,1000}L?$/.test(text)) throw this.bytes.problem(`the number ${quote(text)}`);
    this.push(narrowed(BigInt(text.replace("L", ""))));
  }

  /** An integer of any length, the lowest byte first, in two's complement. */
  long(length: number): void {
    if (length > 1000) throw this.bytes.problem(`a number of ${length} bytes`);
    const digits = this.bytes.bytes(length);
    let value = 0n;
    for (const digit of digits.toReversed()) value = value << 8n | BigInt(digit);
    this.push(narrowed(BigInt.asIntN(8 * length, value)));
  }

  /** Text between quotes, as protocol 0 writes it; escapes other than of printable text are kept. */
  quoted(text: string): void {
    if (!/^(['"]).*\1$/s.test(text)) throw this.bytes.problem("text without quotes");
    this.push(text.slice(1, -1).replace(/\\(['"\\])/g, "$1"));
  }
}

/** A number where it is exact, otherwise a big one. */
const narrowed = (value: bigint): number | bigint =>
  Number.isSafeInteger(Number(value)) ? Number(value) : value;

/** The operation after which a pickle ends. */
const stop = ".".charCodeAt(0);

/** Takes as many values off the stack and puts back a tuple of them. */
const tuple = (size: number): Operation => (machine) => {
  const values = Array.from({ length: size }, () => machine.pop());
  machine.push(values.reverse());
};

/** Operations by their codes, which are characters or, in later protocols, bytes. */
const operations: ReadonlyMap<number, Operation> = new Map(
  ([
    // What is put on the stack.
    ["(", (m) => m.stack.push(mark)],
    ["N", (m) => m.push(null)],
    [0x88, (m) => m.push(true)],
    [0x89, (m) => m.push(false)],
    ["I", (m) => m.decimal(m.bytes.line())],
    ["L", (m) => m.decimal(m.bytes.line())],
    ["J", (m) => m.push(m.bytes.int32())],
    ["K", (m) => m.push(m.bytes.byte())],
    ["M", (m) => m.push(m.bytes.unsigned(2))],
    [0x8a, (m) => m.long(m.bytes.byte())],
    [0x8b, (m) => m.long(m.bytes.unsigned(4))],
    ["F", (m) => m.push(Number(m.bytes.line()))],
    ["G", (m) => m.push(m.bytes.bigEndianFloat64())],
    ["S", (m) => m.quoted(m.bytes.line())],
    ["T", (m) => m.text(m.bytes.unsigned(4))],
    ["U", (m) => m.text(m.bytes.byte())],
    ["V", (m) => m.push(m.bytes.line())],
    ["X", (m) => m.text(m.bytes.unsigned(4))],
    [0x8c, (m) => m.text(m.bytes.byte())],
    [0x8d, (m) => m.text(m.bytes.unsigned(8))],
    ["B", (m) => m.push(m.bytes.bytes(m.bytes.unsigned(4)))],
    ["C", (m) => m.push(m.bytes.bytes(m.bytes.byte()))],
    [0x8e, (m) => m.push(m.bytes.bytes(m.bytes.unsigned(8)))],
    ["]", (m) => m.push([])],
    [")", (m) => m.push([])],
    [0x8f, (m) => m.push([])],
    ["}", (m) => m.push(new Map())],
    ["l", (m) => m.push(m.popToMark())],
    ["t", (m) => m.push(m.popToMark())],
    [0x91, (m) => m.push(m.popToMark())],
    [0x85, tuple(1)],
    [0x86, tuple(2)],
    [0x87, tuple(3)],
    ["d", (m) => {
      const items = m.popToMark();
      m.push(new Map());
      m.setItems(items);
    }],
    // What is done with it.
    ["a", (m) => {
      const value = m.pop();
      m.append([value]);
    }],
    ["e", (m) => {
      const values = m.popToMark();
      m.append(values);
    }],
    [0x90, (m) => {
      const values = m.popToMark();
      m.append(values);
    }],
    ["s", (m) => {
      const [value, key] = [m.pop(), m.pop()];
      m.setItems([key, value]);
    }],
    ["u", (m) => {
      const items = m.popToMark();
      m.setItems(items);
    }],
    ["0", (m) => m.stack.pop()],
    ["1", (m) => m.popToMark()],
    ["2", (m) => m.push(m.top())],
    // What is remembered.
    ["p", (m) => m.remember(Number(m.bytes.line()))],
    ["q", (m) => m.remember(m.bytes.byte())],
    ["r", (m) => m.remember(m.bytes.unsigned(4))],
    [0x94, (m) => m.remember(m.memo.size)],
    ["g", (m) => m.recall(Number(m.bytes.line()))],
    ["h", (m) => m.recall(m.bytes.byte())],
    ["j", (m) => m.recall(m.bytes.unsigned(4))],
    // Names of Python's.
    ["c", (m) => m.find(m.bytes.line(), m.bytes.line())],
    [0x93, (m) => {
      const [name, module] = [m.pop(), m.pop()];
      if (typeof name !== "string" || typeof module !== "string") {
        throw m.bytes.problem("a name that is no text");
      }
      m.find(module, name);
    }],
    ["R", (m) => m.call()],
    [0x81, (m) => m.call()],
    ["b", (m) => m.build()],
    ["P", (m) => m.push(m.world.persistent(m.bytes.line()))],
    ["Q", (m) => m.push(m.world.persistent(m.pop()))],
    // How the file is framed.
    [0x80, (m) => {
      const protocol = m.bytes.byte();
      if (protocol > 5) throw m.bytes.problem(`pickle protocol ${protocol}; 0 to 5 can be read`);
    }],
    [0x95, (m) => void m.bytes.unsigned(8)],
  ] satisfies [string | number, Operation][]).map(([code, operation]) => [
    typeof code === "string" ? code.charCodeAt(0) : code,
    operation,
  ]),
);

/**
 * Reads one pickle.
 *
 * @param bytes left behind the pickle's end
 * @throws {InputError} when it is damaged or holds a name that the world does not have
 */
export function readPickle(bytes: ByteReader, world: PickleWorld): PickleValue {
  return new PickleMachine(bytes, world).run();
}
