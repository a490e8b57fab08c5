/**
 * Walking rows of any width with vectors of four: whole vectors in an unrolled loop, then the
 * remaining vectors, then the last one to three elements by loads and stores of single lanes, so
 * that no kernel touches memory beside its row.
 *
 * @module
 */
import { type FunctionBuilder, type Local, vectorElements } from "./assembler.ts";

/** A vector of a row: `lanes` elements (4, or 1 to 3 at the end) at `offset` bytes. */
export interface RowVector {
  readonly lanes: number;
  readonly offset: number;
  /** Position in the unrolled group, to spread sums over several accumulators. */
  readonly slot: number;
}

/** Bytes of a vector. */
export const vectorBytes = 16;

/** A whole vector at `offset` bytes. */
export const wholeVector = (offset: number, slot = 0): RowVector => ({
  lanes: vectorElements,
  offset,
  slot,
});

/** Pushes a vector from `pointer`; lanes past the row are zero. */
export function loadRow(f: FunctionBuilder, pointer: Local, { lanes, offset }: RowVector): void {
  f.get(pointer);
  if (lanes === 4) f.v128Load(offset);
  else if (lanes === 1) f.v128Load32Zero(offset);
  else f.v128Load64Zero(offset);
  if (lanes !== 3) return;
  f.withLocals(["v128"], (loaded) => {
    f.set(loaded).get(pointer).get(loaded).v128Load32Lane(2, offset + 8);
  });
}

/** Stores the vector that `value` pushes to `pointer`, only the lanes of the row. */
export function storeRow(
  f: FunctionBuilder,
  pointer: Local,
  { lanes, offset }: RowVector,
  value: () => void,
): void {
  if (lanes === vectorElements) {
    f.storeVector(pointer, offset, value);
    return;
  }
  f.get(pointer);
  value();
  if (lanes === 1) f.v128Store32Lane(0, offset);
  else if (lanes === 2) f.v128Store64Lane(0, offset);
  else {
    f.withLocals(["v128"], (stored) => {
      f.tee(stored).v128Store64Lane(0, offset);
      f.get(pointer).get(stored).v128Store32Lane(2, offset + 8);
    });
  }
}

/** Sets the lanes of the top of the stack that lie past the row to zero. */
export function maskRow(f: FunctionBuilder, { lanes }: RowVector): void {
  if (lanes === 4) return;
  f.i32x4Const(-1, lanes > 1 ? -1 : 0, lanes > 2 ? -1 : 0, 0).v128And();
}

/**
 * Walks `width` elements. `starts` are the addresses of the row in every operand (left alone);
 * the body gets pointers that go along, to be used with the offset of the vector.
 *
 * @param afterPairs Emitted once, where vectors no longer come in pairs.
 */
export function forEachVector(
  f: FunctionBuilder,
  width: number,
  starts: readonly Local[],
  unroll: number,
  body: (vector: RowVector, pointers: readonly Local[]) => void,
  afterPairs: () => void = () => {},
): void {
  f.withLocals(starts.map(() => "i32"), (...pointers) => {
    starts.forEach((start, i) => f.get(start).set(pointers[i]));
    const groups = Math.floor(width / (vectorElements * unroll));
    const vectors = (first: number, count: number, base: number): void => {
      f.forVectors(count, (vector) => {
        const slot = first + vector;
        body({ lanes: vectorElements, offset: base + slot * vectorBytes, slot }, pointers);
      });
    };
    if (groups > 1) {
      f.withLocals(["i32"], (end) => {
        f.get(pointers[0]).i32Const(groups * unroll * vectorBytes).i32Add().set(end);
        f.loop((again) => {
          vectors(0, unroll, 0);
          for (const pointer of pointers) f.increment(pointer, unroll * vectorBytes);
          f.get(pointers[0]).get(end).i32Ne().branchIf(again);
        });
      });
    } else if (groups === 1) {
      vectors(0, unroll, 0);
    }
    // After the loop the pointers stand behind the groups; after a single group they do not.
    const base = groups === 1 ? unroll * vectorBytes : 0;
    const rest = width - groups * vectorElements * unroll;
    const whole = Math.floor(rest / vectorElements);
    const paired = whole - whole % (f.module.lanes / vectorElements);
    vectors(0, paired, base);
    afterPairs();
    vectors(paired, whole - paired, base);
    const lanes = rest % vectorElements;
    if (lanes > 0) body({ lanes, offset: base + whole * vectorBytes, slot: whole }, pointers);
  });
}

/**
 * Lets V8 fuse accumulators in pairs, which it only does for what ends in stores side by side: with
 * eight lanes they go through memory, `offset` bytes from a pointer. Nothing is emitted for four.
 */
export function throughMemory(
  f: FunctionBuilder,
  accumulators: readonly Local[],
  pointer: Local,
  offset: number,
): void {
  if (f.module.lanes === vectorElements) return;
  const place = (i: number): number => offset + vectorBytes * i;
  f.forVectors(accumulators.length, (i) => {
    f.storeVector(pointer, place(i), () => f.get(accumulators[i]));
  });
  accumulators.forEach((vector, i) => f.get(pointer).v128Load(place(i)).set(vector));
}

/** Some vector accumulators for one row, set to a start value. */
export function accumulators(f: FunctionBuilder, count: number, start: number): Local[] {
  const sums = f.locals("v128", count);
  for (const sum of sums) f.f32x4Const(start).set(sum);
  return sums;
}

/** Pushes the sum of several accumulators, added in pairs. */
export function combine(
  f: FunctionBuilder,
  sums: readonly Local[],
  operation: "f32x4Add" | "f32x4Max",
): void {
  if (sums.length === 1) {
    f.get(sums[0]);
    return;
  }
  const half = sums.length >> 1;
  combine(f, sums.slice(0, half), operation);
  combine(f, sums.slice(half), operation);
  f[operation]();
}

/** Turns four vectors that are the rows of a 4 x 4 matrix into its columns. */
export function transpose(f: FunctionBuilder, rows: readonly Local[]): void {
  const [a, b, c, d] = rows;
  f.withLocals(["v128", "v128", "v128", "v128"], (ab0, ab1, cd0, cd1) => {
    f.get(a).get(b).i32x4Shuffle([0, 4, 1, 5]).set(ab0);
    f.get(a).get(b).i32x4Shuffle([2, 6, 3, 7]).set(ab1);
    f.get(c).get(d).i32x4Shuffle([0, 4, 1, 5]).set(cd0);
    f.get(c).get(d).i32x4Shuffle([2, 6, 3, 7]).set(cd1);
    f.get(ab0).get(cd0).i32x4Shuffle([0, 1, 4, 5]).set(a);
    f.get(ab0).get(cd0).i32x4Shuffle([2, 3, 6, 7]).set(b);
    f.get(ab1).get(cd1).i32x4Shuffle([0, 1, 4, 5]).set(c);
    f.get(ab1).get(cd1).i32x4Shuffle([2, 3, 6, 7]).set(d);
  });
}
