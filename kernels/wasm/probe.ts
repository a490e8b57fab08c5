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
import { multiplyAdd, push } from "./emit/values.ts";

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
const firstTimings = 10;
const optimizedTimings = 50;

const depth = 64;
const tilesPerTiming = 10;

/** A tile and its speed in multiply-adds per millisecond. */
interface Tile {
  /** Computes the tile a few times and returns its speed. */
  time(): number;
  /** The speed of V8's first code. */
  readonly first: number;
  /** The best speed so far. */
  best: number;
}

let choice: Promise<LanesChoice> | undefined;

/** Chooses by timing, once a process. It takes some 20 ms: V8 optimises what has run for a while. */
export function fasterLanes(): Promise<LanesChoice> {
  return choice ??= timeTiles();
}

async function timeTiles(): Promise<LanesChoice> {
  const tiles = await Promise.all(([4, 8] as const).map(prepareTile));
  const start = performance.now();
  for (let timings = 0; timings < optimizedTimings;) {
    for (const tile of tiles) tile.best = Math.max(tile.best, tile.time());
    const optimized = tiles.filter(({ first, best }) => best > optimizedGain * first).length;
    if (optimized === tiles.length) timings++;
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

/** Compiles the largest tile. */
async function prepareTile(lanes: Lanes): Promise<Tile> {
  const relaxed = supportsRelaxedSimd();
  const module = new ModuleBuilder({ relaxed, lanes });
  const [rows, columns] = [tileRows(relaxed), tileColumns(lanes)];
  const { name } = defineTile(module, rows, columns / vectorElements, vectorElements, {
    lastLanes: 0,
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const { instance } = await WebAssembly.instantiate(module.bytes(), { env: { memory } });
  const compute = instance.exports[name] as (...parameters: number[]) => void;
  const time = (): number => {
    const start = performance.now();
    for (let i = 0; i < tilesPerTiming; i++) {
      compute(0, 4 * depth, 8192, 16384, 4 * columns, depth, 0);
    }
    return tilesPerTiming * rows * columns * depth / (performance.now() - start);
  };
  const first = Math.max(...Array.from({ length: firstTimings }, time));
  return { time, first, best: first };
}
