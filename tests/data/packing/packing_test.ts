import assert from "node:assert/strict";
import fc from "fast-check";
import { type Packable, packFirstFit } from "../../../data/packing/packing.ts";

const capacity = { tokens: 20, images: 4, textTokens: 12 };

const items = fc.array(fc.record({
  tokens: fc.integer({ min: 1, max: 20 }),
  textTokens: fc.integer({ min: 0, max: 12 }),
}));

/** Whether an item has room beside others, by the definition. */
function hasRoom(others: readonly Packable[], item: Packable): boolean {
  const all = [...others, item];
  const sum = (what: "tokens" | "textTokens") => all.reduce((total, one) => total + one[what], 0);
  return all.length <= capacity.images && sum("tokens") <= capacity.tokens &&
    sum("textTokens") <= capacity.textTokens;
}

Deno.test("packing: every item is in the first sequence that had room, until one has none", () => {
  fc.assert(fc.property(items, fc.integer({ min: 1, max: 5 }), (list, count) => {
    const { sequences, packed } = packFirstFit(count, capacity, list);
    const expected: Packable[][] = Array.from({ length: count }, () => []);
    let fitting = 0;
    for (const item of list) {
      const place = expected.find((others) => hasRoom(others, item));
      if (!place) break;
      place.push(item);
      fitting++;
    }
    assert.equal(packed, fitting);
    assert.deepEqual(sequences.map((sequence) => sequence.items), expected);
    for (const sequence of sequences) {
      assert.equal(sequence.tokens, sequence.items.reduce((sum, { tokens }) => sum + tokens, 0));
      const isFull = sequence.items.length === 4 && sequence.tokens < 20;
      assert.equal(sequence.isClosedByImages, isFull);
    }
  }));
});

Deno.test("packing: an endless stream is taken up to the first item without room only", () => {
  let taken = 0;
  function* endless() {
    for (;; taken++) yield { tokens: 10, textTokens: 0 };
  }
  assert.equal(packFirstFit(3, capacity, endless()).packed, 6);
  assert.equal(taken, 6);
});

Deno.test("packing: an item larger than a sequence is refused with both sizes", () => {
  const pack = (tokens: number, textTokens: number) => () =>
    packFirstFit(2, capacity, [{ tokens, textTokens }]);
  assert.throws(pack(21, 0), { name: "RangeError", message: /of 21 tokens .* sequence of 20/ });
  assert.throws(pack(2, 13), { name: "RangeError", message: /of 13 tokens .* sequence of 12/ });
  assert.equal(pack(20, 12)().packed, 1);
});
