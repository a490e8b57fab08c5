import assert from "node:assert/strict";
import fc from "fast-check";
import { holdOut } from "../../data/holdout.ts";
import type { PictureSet } from "../../data/picture_set.ts";
import { assertInputError } from "../formats/helpers.ts";
import { mixedSet } from "./helpers.ts";

/** A set whose pictures have given labels; names are the numbers, or `name`'s. */
function labelled(labels: readonly number[], name: (index: number) => string = String): PictureSet {
  const set = mixedSet(labels.map((_, index) => ({ width: index + 1, height: 1 })));
  return { ...set, label: (index) => labels[index], pictureName: name };
}

/** Widths identify the pictures. */
function widths(set: PictureSet): number[] {
  return Array.from({ length: set.length }, (_, index) => set.size(index).width);
}

Deno.test("holdout: two parts without overlap, every class in both that can be", () => {
  const labels = fc.array(fc.nat(2), { minLength: 2, maxLength: 60 })
    .filter((list) => new Set(list).size < list.length);
  const shares = fc.double({ min: 0.01, max: 0.99, noNaN: true });
  fc.assert(fc.property(labels, shares, (list, share) => {
    const { train, test } = holdOut(labelled(list), share);
    const all = [...widths(train), ...widths(test)].sort((a, b) => a - b);
    assert.deepEqual(all, list.map((_, index) => index + 1));
    for (let label = 0; label < 3; label++) {
      const count = list.filter((other) => other === label).length;
      const held = widths(test).filter((width) => list[width - 1] === label).length;
      const rounded = Math.round(share * count);
      assert.equal(held, count < 2 ? 0 : Math.min(Math.max(rounded, 1), count - 1));
    }
    for (const part of [train, test]) {
      for (let index = 0; index < part.length; index++) {
        assert.equal(part.label(index), list[part.size(index).width - 1]);
        assert.equal(part.caption!(index), `picture ${part.size(index).width - 1}`);
      }
    }
  }));
});

Deno.test("holdout: the choice depends on names alone and is not the first ones", () => {
  const count = 100;
  const labels = new Array(count).fill(0);
  const names = (index: number) => `a/${index}.png`;
  const held = widths(holdOut(labelled(labels, names), 0.2).test);
  assert.equal(held.length, 20);
  assert.notDeepEqual(held, Array.from({ length: 20 }, (_, index) => index + 1));
  const reversed = labelled(labels, (index) => names(count - 1 - index));
  const turned = widths(holdOut(reversed, 0.2).test).map((width) => count + 1 - width);
  assert.deepEqual(turned.sort((a, b) => a - b), held);
  const others = widths(holdOut(labelled(labels, (index) => `b/${index}.png`), 0.2).test);
  assert.notDeepEqual(others, held);
});

Deno.test("holdout: parts have names, fingerprints and pictures of their own", async () => {
  const set = labelled([0, 0, 1, 1]);
  const { train, test } = holdOut(set, 0.5);
  assert.deepEqual([train.name, test.name], ["made up (training part)", "made up (test part)"]);
  assert.equal(new Set([set, train, test].map(({ fingerprint }) => fingerprint)).size, 3);
  assert.equal(holdOut(set, 0.4).train.fingerprint, train.fingerprint); // the same two pictures
  const picture = await test.decode(0);
  assert.equal(picture.width, test.size(0).width);
  assert.deepEqual(test.source(0), picture);
});

Deno.test("holdout: shares and sets that cannot be divided are refused", async () => {
  const attempt = (labels: number[], share: number) =>
    Promise.try(() => holdOut(labelled(labels), share));
  for (const share of [0, 1, -1, NaN]) {
    await assertInputError(attempt([0, 0], share), "made up", /share of .* between 0 and 1/);
  }
  await assertInputError(attempt([0, 1, 2], 0.5), "made up", /no class has two pictures/);
});
