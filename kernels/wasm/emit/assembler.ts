/**
 * A small WebAssembly assembler.
 *
 * A `ModuleBuilder` holds functions; a `FunctionBuilder` appends instructions to one of them.
 * Instructions carry their standard names in camel case and are chained in the order in which the
 * stack machine executes them, operands first: `f.get(a).get(b).f32x4Add().set(c)` is `c = a + b`.
 * On top of the raw instructions come structured helpers (`block`, `loop`, `if`, `forRange`,
 * `repeat`), typed locals that are given back for reuse (`withLocals`), and vector constants that
 * are materialised once at the start of the function. Every module imports one shared memory as
 * ("env", "memory") and exports every function under its name.
 *
 * @example
 * ```ts
 * const module = new ModuleBuilder({ relaxed: false, lanes: 4 });
 * const f = module.function("double", ["i32"], []);
 * const [address] = f.parameters;
 * f.get(address).get(address).v128Load().f32x4Const(2).f32x4Mul().v128Store();
 * const compiled = new WebAssembly.Module(module.bytes());
 * ```
 *
 * @module
 */
import {
  float32Bytes,
  float64Bytes,
  int32Bytes,
  nameBytes,
  signedLeb,
  unsignedLeb,
  vector,
} from "./encoding.ts";
import { InstructionTable } from "./instructions.ts";
import { relaxedOpcodes } from "./opcodes.ts";

/** Types of values on the stack and in locals. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

const typeCodes: Record<ValueType, number> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

/** A parameter or local variable of one function. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

/** Target of a branch: the end of a `block` or the start of a `loop`. */
export interface Label {
  /** Nesting level of the construct, counted from the function body. */
  readonly level: number;
}

/** A vector to be stored `offset` bytes from an address. */
interface VectorStore {
  readonly address: Local;
  readonly offset: number;
  readonly value: Local;
}

/** Elements that kernels work on at a time: one 128-bit vector, or two side by side. */
export type Lanes = 4 | 8;

/** Elements of a vector. */
export const vectorElements = 4;

/** Appends instructions to one function of a module. */
export class FunctionBuilder extends InstructionTable<FunctionBuilder> {
  /** The parameters, in order. */
  readonly parameters: readonly Local[];
  readonly #code: number[] = [];
  /** Materialises the vector constants; runs before the body. */
  readonly #prologue: number[] = [];
  readonly #locals: ValueType[] = [];
  readonly #free = new Map<ValueType, Local[]>();
  readonly #constants = new Map<string, Local>();
  #level = 0;
  /** Stores of one vector of a pair, which wait for those of the other. */
  #waiting: VectorStore[] | undefined;

  /** Use `ModuleBuilder.function`. */
  constructor(
    readonly module: ModuleBuilder,
    readonly name: string,
    readonly index: number,
    readonly parameterTypes: readonly ValueType[],
    readonly resultTypes: readonly ValueType[],
  ) {
    super();
    this.parameters = parameterTypes.map((type, position) => ({ index: position, type }));
  }

  /** Appends raw bytes. */
  emit(bytes: readonly number[]): this {
    for (const byte of bytes) this.#code.push(byte);
    return this;
  }

  /** A new local variable (zero at the start of the function). */
  local(type: ValueType): Local {
    this.#locals.push(type);
    return { index: this.parameterTypes.length + this.#locals.length - 1, type };
  }

  /** Several new local variables of one type. */
  locals(type: ValueType, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /** Runs `body` with temporary locals of undefined contents that are reused afterwards. */
  withLocals(types: readonly ValueType[], body: (...locals: Local[]) => void): this {
    const taken = types.map((type) => this.#take(type));
    body(...taken);
    for (const local of taken) this.#giveBack(local);
    return this;
  }

  #take(type: ValueType): Local {
    return this.#free.get(type)?.pop() ?? this.local(type);
  }

  #giveBack(local: Local): void {
    const pool = this.#free.get(local.type);
    if (pool) pool.push(local);
    else this.#free.set(local.type, [local]);
  }

  /** Pushes a local. */
  get(local: Local): this {
    return this.emit([0x20, ...unsignedLeb(local.index)]);
  }

  /** Pops into a local. */
  set(local: Local): this {
    return this.emit([0x21, ...unsignedLeb(local.index)]);
  }

  /** Copies the top of the stack into a local. */
  tee(local: Local): this {
    return this.emit([0x22, ...unsignedLeb(local.index)]);
  }

  /** Pushes a 32-bit integer; addresses up to 2^32 - 1 are accepted as unsigned numbers. */
  i32Const(value: number): this {
    return this.emit([0x41, ...signedLeb(value | 0)]);
  }

  i64Const(value: bigint): this {
    return this.emit([0x42, ...signedLeb(value)]);
  }

  f32Const(value: number): this {
    return this.emit([0x43, ...float32Bytes(value)]);
  }

  f64Const(value: number): this {
    return this.emit([0x44, ...float64Bytes(value)]);
  }

  /** Pushes a vector constant with all lanes `value`; it is built once per call of the function. */
  f32x4Const(value: number): this {
    const lane = float32Bytes(value);
    return this.#vectorConstant([...lane, ...lane, ...lane, ...lane]);
  }

  /** Pushes an integer vector constant: one value for all lanes, or four. */
  i32x4Const(...lanes: [number] | [number, number, number, number]): this {
    return this.#vectorConstant(
      [0, 1, 2, 3].flatMap((lane) => int32Bytes(lanes.length === 1 ? lanes[0] : lanes[lane]!)),
    );
  }

  /**
   * V8 neither hoists constants out of loops nor loads them in one instruction; zero is the
   * exception (one xor), every other constant is kept in a local that the prologue fills.
   */
  #vectorConstant(bytes: readonly number[]): this {
    const instruction = [0xfd, 0x0c, ...bytes];
    if (bytes.every((byte) => byte === 0)) return this.emit(instruction);
    const key = bytes.join();
    let local = this.#constants.get(key);
    if (!local) {
      local = this.local("v128");
      this.#constants.set(key, local);
      for (const byte of [...instruction, 0x21, ...unsignedLeb(local.index)]) {
        this.#prologue.push(byte);
      }
    }
    return this.get(local);
  }

  /** Picks four 32-bit lanes of two vectors: 0 to 3 from the first, 4 to 7 from the second. */
  i32x4Shuffle(lanes: readonly [number, number, number, number]): this {
    const bytes = lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]);
    return this.emit([0xfd, 0x0d, ...bytes]);
  }

  /** (a, b, c) -> a * b + c; rounded once with relaxed SIMD on a machine with FMA, else twice. */
  f32x4MultiplyAdd(): this {
    if (this.module.relaxed) return this.emit(relaxedOpcodes.multiplyAdd);
    return this.withLocals(["v128"], (c) => {
      this.set(c).f32x4Mul().get(c).f32x4Add();
    });
  }

  /** (a, b, c) -> c - a * b. */
  f32x4NegativeMultiplyAdd(): this {
    if (this.module.relaxed) return this.emit(relaxedOpcodes.negativeMultiplyAdd);
    return this.withLocals(["v128", "v128"], (product, c) => {
      this.set(c).f32x4Mul().set(product).get(c).get(product).f32x4Sub();
    });
  }

  /** (a, b, mask) -> lanes of a where the mask is all ones, of b where it is all zeros. */
  v128LaneSelect(): this {
    return this.module.relaxed
      ? this.emit(relaxedOpcodes.laneSelect)
      : this.v128Bitselect() as this;
  }

  /**
   * Emits `body` for each of `count` vectors that lie side by side.
   *
   * With eight lanes the vectors go in pairs. V8's revectorizer makes one 256-bit instruction of two
   * equal ones, starting from stores side by side and going back to the loads, provided that no
   * access to memory stands between the two that would change what they mean. So the stores of a
   * pair (`storeVector`) come last, each beside its neighbour. A body must not read what the bodies
   * before it have stored.
   */
  forVectors(count: number, body: (vector: number) => void): this {
    const group = this.module.lanes / vectorElements;
    for (let first = 0; first < count; first += group) {
      if (group === 1 || first + 1 === count) body(first);
      else this.#pair(() => body(first), () => body(first + 1));
    }
    return this;
  }

  #pair(low: () => void, high: () => void): void {
    if (this.#waiting) throw new Error("pairs of vectors cannot be nested");
    const collect = (body: () => void): VectorStore[] => {
      const stores: VectorStore[] = this.#waiting = [];
      body();
      return stores;
    };
    const [lowStores, highStores] = [collect(low), collect(high)];
    this.#waiting = undefined;
    const store = ({ address, offset, value }: VectorStore): void => {
      this.get(address).get(value).v128Store(offset);
      for (const local of [address, value]) this.#giveBack(local);
    };
    lowStores.forEach((_, i) => {
      store(highStores[i]);
      store(lowStores[i]);
    });
  }

  /** Stores the vector that `value` pushes; in a pair, when both vectors are ready. */
  storeVector(pointer: Local, offset: number, value: () => void): this {
    if (!this.#waiting) {
      this.get(pointer);
      value();
      return this.v128Store(offset) as this;
    }
    value();
    const waiting = { address: this.#take("i32"), offset, value: this.#take("v128") };
    this.#waiting.push(waiting);
    return this.set(waiting.value).get(pointer).set(waiting.address);
  }

  /** Calls another function of the module. */
  call(target: FunctionBuilder): this {
    return this.emit([0x10, ...unsignedLeb(target.index)]);
  }

  /** (destination, source, bytes): copies memory. */
  memoryCopy(): this {
    return this.emit([0xfc, 0x0a, 0, 0]);
  }

  /** (destination, byte value, bytes): fills memory. */
  memoryFill(): this {
    return this.emit([0xfc, 0x0b, 0]);
  }

  /** A block; branching to its label leaves it. */
  block(body: (exit: Label) => void): this {
    return this.#structure(0x02, body);
  }

  /** A loop; branching to its label starts the next iteration, falling out of the body ends it. */
  loop(body: (again: Label) => void): this {
    return this.#structure(0x03, body);
  }

  #structure(opcode: number, body: (label: Label) => void): this {
    this.emit([opcode, 0x40]);
    body({ level: ++this.#level });
    this.#level--;
    return this.emit([0x0b]);
  }

  /** Pops a condition and runs `then` where it is not zero, else `otherwise`. */
  if(then: () => void, otherwise?: () => void): this {
    this.emit([0x04, 0x40]);
    this.#level++;
    then();
    if (otherwise) {
      this.emit([0x05]);
      otherwise();
    }
    this.#level--;
    return this.emit([0x0b]);
  }

  /** Branches to a label. */
  branch(label: Label): this {
    return this.emit([0x0c, ...unsignedLeb(this.#level - label.level)]);
  }

  /** Pops a condition and branches where it is not zero. */
  branchIf(label: Label): this {
    return this.emit([0x0d, ...unsignedLeb(this.#level - label.level)]);
  }

  /** Adds a constant to an i32 local. */
  increment(local: Local, amount: number): this {
    return amount === 0 ? this : this.get(local).i32Const(amount).i32Add().set(local) as this;
  }

  /** Pushes an i32 local or constant. */
  value(operand: Local | number): this {
    return typeof operand === "number" ? this.i32Const(operand) : this.get(operand);
  }

  /** `for (; index < limit; index += step) body()`, unsigned; the body must not change `index`. */
  forRange(index: Local, limit: Local | number, step: number, body: () => void): this {
    this.get(index).value(limit).i32LtU();
    return this.if(() =>
      this.loop((again) => {
        body();
        this.increment(index, step).get(index).value(limit).i32LtU();
        this.branchIf(again);
      })
    );
  }

  /** Runs the body `counter` times (an i32 local, not negative), counting it down to 0. */
  repeat(counter: Local, body: () => void): this {
    return this.get(counter).if(() =>
      this.loop((again) => {
        body();
        this.get(counter).i32Const(1).i32Sub();
        this.tee(counter).branchIf(again);
      })
    );
  }

  /** The encoded body: declarations of locals, prologue, code. */
  bodyBytes(): number[] {
    const locals = vector(this.#locals.map((type) => [1, typeCodes[type]]));
    const size = locals.length + this.#prologue.length + this.#code.length + 1;
    return [...unsignedLeb(size)].concat(locals, this.#prologue, this.#code, [0x0b]);
  }
}

/** Largest size of a 32-bit memory, in pages of 64 KiB: 4 GiB. */
export const maximumPages = 65536;

/** Collects functions and encodes them as a WebAssembly module. */
export class ModuleBuilder {
  /** Whether relaxed SIMD instructions may be emitted. */
  readonly relaxed: boolean;
  /** Elements that kernels work on at a time; the results have the same bits. */
  readonly lanes: Lanes;
  readonly #functions = new Map<string, FunctionBuilder>();

  constructor(options: { readonly relaxed: boolean; readonly lanes: Lanes }) {
    this.relaxed = options.relaxed;
    this.lanes = options.lanes;
  }

  /** Names of the functions so far. */
  get names(): string[] {
    return [...this.#functions.keys()];
  }

  /**
   * Adds an exported function.
   *
   * @throws Error when the name is taken.
   */
  function(
    name: string,
    parameters: readonly ValueType[],
    results: readonly ValueType[],
  ): FunctionBuilder {
    if (this.#functions.has(name)) throw new Error(`function ${name} is defined twice`);
    const builder = new FunctionBuilder(this, name, this.#functions.size, parameters, results);
    this.#functions.set(name, builder);
    return builder;
  }

  /** The function `name`, emitted on first use; `emit` must add it under that name. */
  define(
    name: string,
    emit: (module: ModuleBuilder, name: string) => FunctionBuilder,
  ): FunctionBuilder {
    return this.#functions.get(name) ?? emit(this, name);
  }

  /** The binary module. */
  bytes(): Uint8Array<ArrayBuffer> {
    const functions = [...this.#functions.values()];
    const types = functions.map((f) => [
      0x60,
      ...vector(f.parameterTypes.map((type) => [typeCodes[type]])),
      ...vector(f.resultTypes.map((type) => [typeCodes[type]])),
    ]);
    const sharedWithMaximum = 3;
    const memory = [2, sharedWithMaximum, ...unsignedLeb(1), ...unsignedLeb(maximumPages)];
    const sections: [number, number[][]][] = [
      [1, types],
      [2, [[...nameBytes("env"), ...nameBytes("memory"), ...memory]]],
      [3, functions.map((f) => unsignedLeb(f.index))],
      [7, functions.map((f) => [...nameBytes(f.name), 0, ...unsignedLeb(f.index)])],
      [10, functions.map((f) => f.bodyBytes())],
    ];
    const magicAndVersion = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    return new Uint8Array(magicAndVersion.concat(...sections.map(([id, items]) => {
      const content = vector(items);
      return [id, ...unsignedLeb(content.length)].concat(content);
    })));
  }
}
