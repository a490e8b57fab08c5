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
import {
  type FunctionBuilder,
  type Label,
  type Local,
  type ModuleBuilder,
  vectorElements,
} from "../../wasm/emit/assembler.ts";
import { integer, integers, or } from "../../wasm/emit/integers.ts";
import {
  assign,
  branchWhen,
  call,
  kept,
  load,
  onStack,
  push,
  type Value,
} from "../../wasm/emit/values.ts";

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
    assign(f, count, 1);
    whileTrue(f, (exit) => {
      branchWhen(f, integer.atLeast(count, limit), exit);
      const longEnough = integer.atLeast(count, shortestBlock);
      const lastOfSegment = integer.different(integer.load(ids, 4), integer.load(ids));
      branchWhen(f, integer.and(longEnough, lastOfSegment), exit);
      f.increment(ids, 4).increment(count, 1);
    });
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
    assign(f, lowest, -1);
    f.repeat(count, () => {
      assign(f, id, integer.load(ids));
      f.increment(ids, 4);
      assign(f, lowest, integer.smaller(id, lowest));
      assign(f, highest, integer.select(integer.less(id, highest), highest, id));
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
    call(f, bounds, queryIds, queries);
    f.set(span);
    assign(f, lowests, integers.spread(kept(lowest, onStack)));
    assign(f, spans, integers.spread(kept(span, integer.subtract(span, lowest))));
    const end = integer.add(kept(first, keyIds), integer.shiftLeft(keys, 2));
    assign(f, last, integer.subtract(end, 4));

    /** Whether one of the `idsAtOnce` ids from `end` inwards is searched for. */
    const found = (end: Local, direction: 1 | -1): Value => {
      const vectors = Array.from({ length: idsAtOnce / vectorElements }, (_, vector) => {
        const start = integer.add(end, direction === 1 ? 16 * vector : -12 - 16 * vector);
        return integers.atMostUnsigned(integers.subtract(load(start), lowests), spans);
      });
      return integers.any(vectors.reduce((some, vector) => or(some, vector)));
    };
    /** Moves one end inwards over keys whose ids are not searched for. */
    const shrink = (end: Local, direction: 1 | -1): void => {
      whileTrue(f, (exit) => {
        branchWhen(f, integer.less(integer.subtract(last, first), 4 * idsAtOnce), exit);
        branchWhen(f, found(end, direction), exit);
        f.increment(end, 4 * idsAtOnce * direction);
      });
      whileTrue(f, (exit) => {
        branchWhen(f, integer.equal(first, last), exit);
        const distance = integer.subtract(integer.load(end), lowest);
        branchWhen(f, integer.atMost(distance, span), exit);
        f.increment(end, 4 * direction);
      });
    };
    shrink(first, 1);
    shrink(last, -1);
    const difference = (from: Local, to: Local): Value =>
      integer.shiftRight(integer.subtract(to, from), 2);
    push(f, difference(keyIds, first));
    push(f, integer.add(difference(first, last), 1));
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
