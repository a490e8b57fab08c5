/**
 * Which kernels are faster here: those for single 128-bit vectors, or those for pairs of them.
 *
 * Pairs are faster where V8 makes 256-bit vectors of them, which takes a processor with AVX2 and an
 * engine started with `--experimental-wasm-revectorize` and `--no-wasm-bounds-checks`; elsewhere
 * they need more registers than there are. None of this can be asked for, so the largest tile of the
 * matrix product is timed in both forms.
 *
 * @module
 */
import type { VectorWidth } from "../device.ts";
import { defineTile, tileColumns, tileRows } from "../ops/matmul/wasm_micro.ts";
import { type Lanes, ModuleBuilder, vectorElements } from "./emit/assembler.ts";
import { call, multiplyAdd, push } from "./emit/values.ts";

/** A number of lanes, and why. */
export interface LanesChoice {
  readonly lanes: Lanes;
  /** A clause without a full stop. */
  readonly reason: string;
  /** Speed of the largest tile on one thread in GFLOP/s, where it was measured. */
  readonly gflops?: number;
}

/** The choice as a width of vectors. */
export function vectorWidth({ lanes, reason }: LanesChoice): VectorWidth {
  return { bits: 32 * lanes, reason };
}

/** Pairs are chosen when they are faster by this factor: in V8's first code they are by less. */
const clearlyFaster = 1.2;

/** Optimised code is faster than V8's first code by more than this factor. */
const optimizedGain = 2;

/** Milliseconds to wait for V8 to optimise both tiles: when it has begun to, and when not. */
const patience = { begun: 1000, before: 200 };

/** Timings of V8's first code, and of optimised code, of which the best count. */
const firstTimings = 5;
const optimizedTimings = 10;

/**
 * Tiles of a timing of V8's first code, tiles after which V8 has begun to optimise it, and tiles of a
 * timing while that goes on: some 10 microseconds, half a millisecond, and 50 microseconds.
 */
const tilesOf = { first: 5, warmUp: 300, optimized: 20 };

/** Milliseconds between timings while V8 optimises. */
const pause = 0.2;

/** Steps of a tile: its operands lie in the first-level cache. */
const depth = 128;

/** A tile and its speed in multiply-adds per millisecond. */
interface Tile {
  /** Computes the tile some times and returns its speed. */
  time(times: number): number;
  /** The speed of V8's first code. */
  readonly first: number;
  /** The best speed so far. */
  best: number;
}

let choice: LanesChoice | undefined;

/** Chooses by timing, once a process: some 5 ms, most of them V8's to optimise the two tiles. */
export function fasterLanes(): LanesChoice {
  return choice ??= timeTiles();
}

function timeTiles(): LanesChoice {
  const tiles = ([4, 8] as const).map(prepareTile);
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  const start = performance.now();
  for (let timings = 0; timings < optimizedTimings;) {
    for (const tile of tiles) tile.best = Math.max(tile.best, tile.time(tilesOf.optimized));
    const optimized = tiles.filter(({ first, best }) => best > optimizedGain * first).length;
    if (optimized === tiles.length) timings++;
    // The processor is left to V8's threads, which may have none to themselves.
    else Atomics.wait(nothing, 0, 0, pause);
    if (performance.now() - start > patience[optimized > 0 ? "begun" : "before"]) break;
  }
  const [narrow, wide] = tiles;
  const ratio = wide.best / narrow.best;
  return {
    lanes: ratio >= clearlyFaster ? 8 : 4,
    gflops: 2 * Math.max(wide.best, narrow.best) / 1e6,
    reason: `products of pairs of vectors run at ${
      ratio.toFixed(2)
    } times the speed of single ones`,
  };
}

/** Whether this engine accepts relaxed SIMD instructions. */
export function supportsRelaxedSimd(): boolean {
  const probe = new ModuleBuilder({ relaxed: true, lanes: 4 });
  const f = probe.function("multiplyAdd", ["v128"], ["v128"]);
  const [x] = f.parameters;
  push(f, multiplyAdd(x, x, x));
  return WebAssembly.validate(probe.bytes());
}

/** Compiles the largest tile, with a loop of single steps: the less code, the sooner optimised. */
function prepareTile(lanes: Lanes): Tile {
  const relaxed = supportsRelaxedSimd();
  const module = new ModuleBuilder({ relaxed, lanes });
  const [rows, columns] = [tileRows(relaxed), tileColumns(lanes)];
  const tile = defineTile(module, rows, columns / vectorElements, vectorElements, {
    lastLanes: 0,
    unroll: 1,
  });
  const repeat = module.function("repeat", ["i32"], []);
  const [times] = repeat.parameters;
  const [a, b, c] = [0, 8192, 16384];
  repeat.repeat(times, () => {
    call(repeat, tile, a, 4 * depth, b, c, 4 * columns, depth, 0);
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const compiled = new WebAssembly.Module(module.bytes());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  const compute = exports.repeat as (times: number) => void;
  const time = (times: number): number => {
    const start = performance.now();
    compute(times);
    return times * rows * columns * depth / (performance.now() - start);
  };
  // V8 compiles at the first call.
  compute(1);
  const first = Math.max(...Array.from({ length: firstTimings }, () => time(tilesOf.first)));
  compute(tilesOf.warmUp);
  return { time, first, best: first };
}
