import assert from "node:assert/strict";
import fc from "fast-check";
import { chooseShots } from "../../metrics/shots.ts";
import { InputError } from "../../base/errors.ts";

const names = ["cat", "dog", "owl"];
const labels = Array.from({ length: 31 }, (_, index) => index % 3);

Deno.test("each class has its number of different examples, class by class", () => {
  fc.assert(fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: 10 }), (seed, shots) => {
    const chosen = chooseShots(labels, names, shots, seed);
    assert.equal(new Set(chosen).size, 3 * shots);
    const expected = names.flatMap((_, label) => Array(shots).fill(label));
    assert.deepEqual(chosen.map((index) => labels[index]), expected);
    assert.deepEqual(chooseShots(labels, names, shots, seed), chosen);
  }));
});

Deno.test("fewer shots are a part of more", () => {
  const more = chooseShots(labels, names, 7, 5);
  for (const index of chooseShots(labels, names, 3, 5)) assert.ok(more.includes(index));
});

Deno.test("every example of a class is chosen about equally often", () => {
  const counts = new Array(31).fill(0);
  for (let seed = 0; seed < 600; seed++) {
    for (const index of chooseShots(labels, names, 2, seed)) counts[index]++;
  }
  // Binomial with p = 0.2 or 2/11: mean 120 or 109, deviation below 10.
  for (const count of counts) assert.ok(count > 70 && count < 165, `${count}`);
});

Deno.test("too few examples: the class is named, and how many shots are possible", () => {
  const refused = (
    labels: number[],
    shots: number,
    message: string,
    Kind: new (message: string) => Error,
  ) => assert.throws(() => chooseShots(labels, names, shots, 0), new Kind(message));
  refused(
    [0, 0, 0, 1, 1, 2, 2],
    3,
    'class "dog" has 2 of the 3 examples a class; at most 2 shots are possible',
    InputError,
  );
  refused([0, 1], 1, 'class "owl" has 0 of the 1 examples a class', InputError);
  refused([0, 1, 2, 3], 1, "example 3 has label 3, the classes go from 0 to 2", RangeError);
  refused([0, 1, 2], 0, "0 shots a class: give a whole number from 1 up", RangeError);
});
