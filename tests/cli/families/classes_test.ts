import assert from "node:assert/strict";
import { chooseLabels, describeLabels } from "../../../cli/families/classes.ts";

function model(...classNames: string[]) {
  return { classes: classNames.length, classNames };
}

Deno.test("classes are found by number and by any way to write their name", () => {
  const nfd = "été".normalize("NFD");
  const source = model("bird", "cats, dogs", nfd, "Cat", "cat", "7");
  const cases: [string, number[]][] = [
    ["cats, dogs", [1]],
    ['bird,"cats, dogs"', [0, 1]],
    ["cats\\, dogs,0", [1, 0]],
    ["été", [2]],
    ["ÉTÉ,bird", [2, 0]],
    ["cat,Cat", [4, 3]],
    ["7,5", [5, 5]],
  ];
  for (const [named, labels] of cases) {
    assert.deepEqual(chooseLabels(source, named, undefined), labels, named);
  }
});

Deno.test("a class is found by each of the names that it has between commas", () => {
  const source = model(
    "tench, Tinca tinca",
    "goldfish, Carassius auratus",
    "Goldfish bowl",
    "tench",
  );
  const found = (named: string) => chooseLabels(source, named, undefined);
  assert.deepEqual(found("carassius auratus,GOLDFISH"), [1, 1]);
  assert.deepEqual(found("tench"), [3], "a whole name comes first");
  assert.deepEqual(found("tench, Tinca tinca"), [0]);
  const cranes = model("crane", "crane, lifting device", "ox, crane");
  assert.deepEqual(chooseLabels(cranes, "crane", undefined), [0]);
  const both = model("crane, bird", "crane, lifting device");
  assert.throws(() => chooseLabels(both, "crane", 1), /the classes 0 and 1 have this name/);
});

Deno.test("what names no class, or several, is an error with what helps", () => {
  const source = model("bird", "cats, dogs", "b\x1b[2J", "two", "two");
  assert.throws(
    () => chooseLabels(source, "cats dogs", undefined),
    /did you mean "cats, dogs" or /,
  );
  assert.throws(
    () => chooseLabels(source, "two", undefined),
    /^InputError: class two: the classes 3 and 4 have this name; give a number$/,
  );
  assert.throws(() => chooseLabels(source, "TWO", 1), /have this name/);
  assert.throws(() => chooseLabels(source, "bird,,two", 1), /not a list of names between commas/);
  assert.throws(() => chooseLabels(source, "b[2J", 1), /"b\\u001b\[2J"/);
});

Deno.test("the numbers of a thousand classes are one short line", () => {
  const source = model(...Array.from({ length: 1000 }, (_, index) => `class ${index}`));
  const labels = chooseLabels(source, undefined, 50_000);
  assert.equal(
    describeLabels(source, labels, "picture"),
    "50,000 pictures of 1,000 classes: 50 of each",
  );
  assert.equal(
    describeLabels(source, chooseLabels(source, undefined, 50_010), "picture"),
    "50,010 pictures of 1,000 classes: 51 of each of 10; 50 of each of 990",
  );
  assert.equal(
    describeLabels(source, chooseLabels(source, undefined, 64), "picture"),
    "64 pictures of 64 of 1,000 classes: 1 of each",
  );
  assert.equal(
    describeLabels(source, [7], "picture"),
    "1 picture of 1 of 1,000 classes: 1 of each",
  );
});
