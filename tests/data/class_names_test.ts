import assert from "node:assert/strict";
import { labelOf, withClassNames } from "../../data/class_names.ts";
import { mixedSet } from "./helpers.ts";

const composed = "\u00e9t\u00e9";
const decomposed = composed.normalize("NFD");

Deno.test("a class is found however its accents are written", () => {
  assert.notEqual(composed, decomposed);
  assert.equal(labelOf("set", decomposed, ["hiver", composed]), 1);
  assert.equal(labelOf("set", composed, ["hiver", decomposed]), 1);
});

Deno.test("labels of a set count in the classes of a run, whose names it takes", () => {
  const set = { ...mixedSet([{ width: 2, height: 2 }]), classNames: [decomposed], label: () => 0 };
  const { classNames, label } = withClassNames(set, ["hiver", composed]);
  assert.deepEqual([classNames[label(0)], label(0)], [composed, 1]);
  assert.throws(
    () => withClassNames(set, ["hiver", "printemps"]),
    { name: "InputError", message: /class "[^"]*" is none of the 2 known; did you mean/ },
  );
});
