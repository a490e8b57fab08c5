/**
 * Where segmented attention has work to do: queries are taken in blocks of (mostly) one segment, and
 * a block looks only at the range of keys in which its ids occur. The masks stay, so that a range
 * which holds foreign keys costs time but changes nothing.
 *
 * Ids are compared as unsigned numbers here: padding, usually -1, then comes last, as it does in a
 * packed sequence, and the range of a block that ends in padding does not begin at key 0.
 *
 * @module
 */
import type { FunctionBuilder, Label, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";

/**
 * A block of queries goes on beyond its segment until it fills a tile of the matrix product: where
 * ids change with every query, all keys would otherwise be packed for each row.
 */
const shortestBlock = 6;

/** Ids that are looked at together. */
const idsAtOnce = 16;

/** Most queries of a call, whatever the number of threads: so it cannot change which bits result. */
export const segmentedCallQueries = 256;

/**
 * Emits `(ids, limit) -> count`: queries in the block that starts at `ids`, of at most `limit`. It
 * ends with a segment, unless that would make it too short.
 */
export function defineBlockLength(module: ModuleBuilder): FunctionBuilder {
  return module.define("attention segment block", (_, name) => {
    const f = module.function(name, ["i32", "i32"], ["i32"]);
    const [ids, limit] = f.parameters;
    const count = f.local("i32");
    f.i32Const(1).set(count);
    f.block((exit) =>
      f.loop((again) => {
        f.get(count).get(limit).i32GeU().branchIf(exit);
        f.get(count).i32Const(shortestBlock).i32GeU();
        f.get(ids).i32Load(4).get(ids).i32Load(0).i32Ne().i32And().branchIf(exit);
        f.increment(ids, 4).increment(count, 1).branch(again);
      })
    );
    f.get(count);
    return f;
  });
}

/** Emits `(ids, count) -> (lowest, highest)`, unsigned. */
function defineIdBounds(module: ModuleBuilder): FunctionBuilder {
  return module.define("attention segment bounds", (_, name) => {
    const f = module.function(name, ["i32", "i32"], ["i32", "i32"]);
    const [ids, count] = f.parameters;
    const [id, lowest, highest] = f.locals("i32", 3);
    f.i32Const(-1).set(lowest);
    f.repeat(count, () => {
      f.get(ids).i32Load().set(id).increment(ids, 4);
      f.get(id).get(lowest).get(id).get(lowest).i32LtU().select().set(lowest);
      f.get(highest).get(id).get(id).get(highest).i32LtU().select().set(highest);
    });
    f.get(lowest).get(highest);
    return f;
  });
}

/**
 * Emits `(queryIds, queries, keyIds, keys) -> (start, length)`: the shortest range of keys that holds
 * all ids between the lowest and the highest of the queries; one key where there is none, so that
 * a query which sees nothing still gets its zeros.
 */
export function defineVisibleKeys(module: ModuleBuilder): FunctionBuilder {
  const bounds = defineIdBounds(module);
  return module.define("attention visible keys", (_, name) => {
    const f = module.function(name, new Array<"i32">(4).fill("i32"), ["i32", "i32"]);
    const [queryIds, queries, keyIds, keys] = f.parameters;
    const [lowest, span, first, last] = f.locals("i32", 4);
    const [lowests, spans] = f.locals("v128", 2);
    f.get(queryIds).get(queries).call(bounds).set(span).tee(lowest).i32x4Splat().set(lowests);
    f.get(span).get(lowest).i32Sub().tee(span).i32x4Splat().set(spans);
    f.get(keyIds).tee(first).get(keys).i32Const(2).i32Shl().i32Add().i32Const(4).i32Sub().set(last);

    /** Pushes whether one of the `idsAtOnce` ids from `end` inwards is searched for. */
    const found = (end: Local, direction: 1 | -1): void => {
      for (let vector = 0; vector < idsAtOnce / 4; vector++) {
        f.get(end).i32Const(direction === 1 ? 16 * vector : -12 - 16 * vector).i32Add();
        f.v128Load().get(lowests).i32x4Sub().get(spans).i32x4LeU();
        if (vector > 0) f.v128Or();
      }
      f.v128AnyTrue();
    };
    /** Moves one end inwards over keys whose ids are not searched for. */
    const shrink = (end: Local, direction: 1 | -1): void => {
      whileTrue(f, (exit) => {
        f.get(last).get(first).i32Sub().i32Const(4 * idsAtOnce).i32LtU().branchIf(exit);
        found(end, direction);
        f.branchIf(exit).increment(end, 4 * idsAtOnce * direction);
      });
      whileTrue(f, (exit) => {
        f.get(first).get(last).i32Eq().branchIf(exit);
        f.get(end).i32Load().get(lowest).i32Sub().get(span).i32LeU().branchIf(exit);
        f.increment(end, 4 * direction);
      });
    };
    shrink(first, 1);
    shrink(last, -1);
    f.get(first).get(keyIds).i32Sub().i32Const(2).i32ShrU();
    f.get(last).get(first).i32Sub().i32Const(2).i32ShrU().i32Const(1).i32Add();
    return f;
  });
}

/** Repeats `body` until it branches to its label. */
function whileTrue(f: FunctionBuilder, body: (exit: Label) => void): void {
  f.block((exit) =>
    f.loop((again) => {
      body(exit);
      f.branch(again);
    })
  );
}
