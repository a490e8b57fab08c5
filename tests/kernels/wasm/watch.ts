/**
 * Puts a call in front of every memory access of a WebAssembly module, so that a test sees which
 * bytes generated code reads and writes, whatever built the module.
 *
 * @module
 */
import { signedLeb, unsignedLeb, vector } from "../../../kernels/wasm/emit/encoding.ts";

/** What a watched module calls before an access; `address` may exceed 32 bits. */
export type Watch = (address: number, bytes: number, writes: boolean) => void;

/** An instruction that touches memory: bytes it moves, whether it stores, types above the address. */
interface Access {
  readonly bytes: number;
  readonly writes: boolean;
  readonly above?: keyof typeof typeCodes;
}

const typeCodes = { i32: 0x7f, f32: 0x7d, v128: 0x7b };

const plainAccesses: Readonly<Record<number, Access>> = {
  0x28: { bytes: 4, writes: false },
  0x2a: { bytes: 4, writes: false },
  0x36: { bytes: 4, writes: true, above: "i32" },
  0x38: { bytes: 4, writes: true, above: "f32" },
};

const vectorAccesses: Readonly<Record<number, Access>> = {
  0x00: { bytes: 16, writes: false },
  0x03: { bytes: 8, writes: false },
  0x09: { bytes: 4, writes: false },
  0x0a: { bytes: 8, writes: false },
  0x0b: { bytes: 16, writes: true, above: "v128" },
  0x56: { bytes: 4, writes: false, above: "v128" },
  0x57: { bytes: 8, writes: false, above: "v128" },
  0x5a: { bytes: 4, writes: true, above: "v128" },
  0x5b: { bytes: 8, writes: true, above: "v128" },
  0x5c: { bytes: 4, writes: false },
  0x5d: { bytes: 8, writes: false },
};

/** Whether an instruction on two addresses, a length on top, reads from the second one. */
const bulkAccesses: Readonly<Record<number, { readonly reads: boolean }>> = {
  10: { reads: true },
  11: { reads: false },
};

/** Reads a module front to back. */
class Reader {
  constructor(readonly bytes: Uint8Array, public position = 0) {}

  byte(): number {
    return this.bytes[this.position++];
  }

  /** An unsigned LEB128 number below 2^32. */
  number(): number {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  take(count: number): number[] {
    this.position += count;
    return [...this.bytes.subarray(this.position - count, this.position)];
  }

  /** A vector of items. */
  items<T>(read: () => T): T[] {
    return Array.from({ length: this.number() }, read);
  }
}

/** Sections by their number. */
function sections(bytes: Uint8Array): Map<number, Reader> {
  const reader = new Reader(bytes, 8);
  const found = new Map<number, Reader>();
  while (reader.position < bytes.length) {
    const id = reader.byte();
    const size = reader.number();
    found.set(id, new Reader(bytes.subarray(reader.position, reader.position + size)));
    reader.position += size;
  }
  return found;
}

/** Parameters of each type of function. */
function parameterCounts(section: Reader): number[] {
  return section.items(() => {
    section.byte();
    const parameters = section.items(() => section.byte()).length;
    section.items(() => section.byte());
    return parameters;
  });
}

/**
 * The module with an import `env.watch (address: i32, offset: i32, bytes: i32, writes: i32)` that is
 * called before every access, and all of its functions exported as before.
 *
 * @throws Error for an instruction that may touch memory and is not known here
 */
export function watchModule(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const found = sections(bytes);
  const rest = (id: number, skip: number): number[] => {
    const section = found.get(id)!;
    const reader = new Reader(section.bytes);
    const count = reader.number();
    return [...unsignedLeb(count + skip), ...section.bytes.subarray(reader.position)];
  };
  const counts = parameterCounts(found.get(1)!);
  const watchType = counts.length;
  const typeOf = found.get(3)!.items.bind(found.get(3)!);
  const functionTypes = typeOf(() => found.get(3)!.number());
  const exported = found.get(7)!;
  const exports = exported.items(() => {
    const name = exported.take(exported.number());
    exported.byte();
    return [...unsignedLeb(name.length), ...name, 0, ...unsignedLeb(exported.number() + 1)];
  });
  const code = found.get(10)!;
  let index = 0;
  const bodies = code.items(() => {
    const body = new Reader(Uint8Array.from(code.take(code.number())));
    return watchBody(body, counts[functionTypes[index++]]);
  });
  const text = (name: string) => [name.length, ...new TextEncoder().encode(name)];
  const watchImport = [...text("env"), ...text("watch"), 0, ...unsignedLeb(watchType)];
  const written: [number, number[]][] = [
    [1, [...rest(1, 1), 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 0]],
    [2, [...rest(2, 1), ...watchImport]],
    [3, rest(3, 0)],
    [7, vector(exports)],
    [10, vector(bodies)],
  ];
  return Uint8Array.from([...bytes.subarray(0, 8)].concat(
    ...written.map(([id, content]) => [id, ...unsignedLeb(content.length), ...content]),
  ));
}

/** One function with watched accesses. */
function watchBody(body: Reader, parameters: number): number[] {
  const groups = body.items(() => ({ count: body.number(), type: body.byte() }));
  const first = groups.reduce((sum, { count }) => sum + count, parameters);
  const locals = {
    address: first,
    i32: first + 1,
    length: first + 2,
    f32: first + 3,
    v128: first + 4,
  };
  const declared = [
    ...groups,
    ...[typeCodes.i32, typeCodes.i32, typeCodes.i32, typeCodes.f32, typeCodes.v128]
      .map((type) => ({ count: 1, type })),
  ];
  const result = vector(declared.map(({ count, type }) => [...unsignedLeb(count), type]));
  const append = (codes: readonly number[]): void => codes.forEach((byte) => result.push(byte));
  const get = (local: number): void => append([0x20, ...unsignedLeb(local)]);
  const set = (local: number): void => append([0x21, ...unsignedLeb(local)]);
  const watchBulk = (reads: boolean): void => {
    const operands = [locals.address, locals.i32, locals.length];
    operands.toReversed().forEach(set);
    const touched = reads ? [[locals.address, 1], [locals.i32, 0]] : [[locals.address, 1]];
    for (const [address, writes] of touched) {
      get(address);
      append([0x41, ...signedLeb(0)]);
      get(locals.length);
      append([0x41, ...signedLeb(writes), 0x10, 0]);
    }
    operands.forEach(get);
  };
  while (body.position < body.bytes.length) {
    const start = body.position;
    const { access, bulk, offset, callee } = readInstruction(body);
    const instruction = body.bytes.subarray(start, body.position);
    if (bulk) watchBulk(bulk.reads);
    if (callee !== undefined) append([0x10, ...unsignedLeb(callee + 1)]);
    if (!access) {
      if (callee === undefined) instruction.forEach((byte) => result.push(byte));
      continue;
    }
    if (access.above) set(locals[access.above]);
    set(locals.address);
    get(locals.address);
    for (const constant of [offset, access.bytes, Number(access.writes)]) {
      append([0x41, ...signedLeb(constant)]);
    }
    append([0x10, 0]);
    get(locals.address);
    if (access.above) get(locals[access.above]);
    instruction.forEach((byte) => result.push(byte));
  }
  return [...unsignedLeb(result.length)].concat(result);
}

interface Instruction {
  readonly access?: Access;
  readonly bulk?: (typeof bulkAccesses)[number];
  readonly offset: number;
  /** The function that a call names. */
  readonly callee?: number;
}

/** Moves past one instruction. */
function readInstruction(body: Reader): Instruction {
  const opcode = body.byte();
  if (opcode === 0x10) return { callee: body.number(), offset: 0 };
  if (opcode >= 0x28 && opcode <= 0x3e) return readAccess(body, plainAccesses[opcode], opcode);
  if (opcode === 0xfd) return readVectorInstruction(body);
  if (opcode === 0xfc) {
    const operation = body.number();
    const bulk = bulkAccesses[operation];
    if (bulk) body.take(bulk.reads ? 2 : 1);
    else if (operation > 7) {
      throw new Error(`memory instruction 0xfc ${operation} is not watched`);
    }
    return { bulk, offset: 0 };
  } else if (opcode === 0xfe || opcode === 0x3f || opcode === 0x40) {
    throw new Error(`memory instruction 0x${opcode.toString(16)} is not watched`);
  } else {
    skipImmediates(body, opcode);
  }
  return { offset: 0 };
}

function skipImmediates(body: Reader, opcode: number): void {
  const hasNumber = opcode >= 0x02 && opcode <= 0x04 || opcode === 0x0c || opcode === 0x0d ||
    opcode >= 0x20 && opcode <= 0x24 || opcode === 0x41 || opcode === 0x42;
  if (hasNumber) { while (body.byte() >= 0x80); }
  else if (opcode === 0x43) body.take(4);
  else if (opcode === 0x44) body.take(8);
}

function readAccess(body: Reader, access: Access | undefined, opcode: number): Instruction {
  if (!access) throw new Error(`memory instruction 0x${opcode.toString(16)} is not watched`);
  body.number();
  return { access, offset: body.number() };
}

function readVectorInstruction(body: Reader): Instruction {
  const opcode = body.number();
  const onLane = opcode >= 0x54 && opcode <= 0x5b;
  if (opcode <= 0x0b || onLane || opcode === 0x5c || opcode === 0x5d) {
    const instruction = readAccess(body, vectorAccesses[opcode], opcode);
    if (onLane) body.byte();
    return instruction;
  }
  if (opcode === 0x0c || opcode === 0x0d) body.take(16);
  else if (opcode >= 0x15 && opcode <= 0x22) body.byte();
  return { offset: 0 };
}
