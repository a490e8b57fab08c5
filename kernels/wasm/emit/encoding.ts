/**
 * Byte encodings of the WebAssembly binary format that the assembler needs: variable-length
 * integers (LEB128), vectors, names and the bits of floating-point numbers.
 *
 * @module
 */

/** Unsigned LEB128 of a whole number below 2^32. */
export function unsignedLeb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest ? low | 0x80 : low);
  } while (rest);
  return bytes;
}

/** Signed LEB128 of a 32-bit integer (of a 64-bit one when given as bigint). */
export function signedLeb(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  while (true) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && !(low & 0x40)) || (rest === -1n && low & 0x40)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** A vector of already encoded items: their number, then the items. */
export function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsignedLeb(items.length), ...items.flat()];
}

/** A name: its length in bytes, then UTF-8. */
export function nameBytes(name: string): number[] {
  const bytes = new TextEncoder().encode(name);
  return [...unsignedLeb(bytes.length), ...bytes];
}

/** The four bytes of a single-precision number. */
export function float32Bytes(value: number): number[] {
  return [...new Uint8Array(new Float32Array([value]).buffer)];
}

/** The eight bytes of a double-precision number. */
export function float64Bytes(value: number): number[] {
  return [...new Uint8Array(new Float64Array([value]).buffer)];
}

/** The four bytes of a 32-bit integer. */
export function int32Bytes(value: number): number[] {
  return [...new Uint8Array(new Int32Array([value]).buffer)];
}
