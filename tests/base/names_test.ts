import assert from "node:assert/strict";
import fc from "fast-check";
import { quoteName, splitNames } from "../../base/names.ts";

Deno.test("names are split at commas, but for those in quotes or behind a backslash", () => {
  const cases: [string, string[]][] = [
    ["a,b", ["a", "b"]],
    [" a , b c ", ["a", "b c"]],
    ['"cats, dogs",bird', ["cats, dogs", "bird"]],
    ["cats\\, dogs,bird", ["cats, dogs", "bird"]],
    ['5" nails,"a\\u001b"', ['5" nails', "a\x1b"]],
  ];
  for (const [list, names] of cases) assert.deepEqual(splitNames(list), names, list);
  for (const list of ["", "a,,b", "a,", '"a', '"a"b', '"",a', "a\\"]) {
    assert.throws(() => splitNames(list), /is not a list of names between commas/, list);
  }
});

Deno.test("a list of quoted names is read back, whatever is in them", () => {
  const name = fc.string({ unit: "binary", minLength: 1 });
  fc.assert(fc.property(fc.array(name, { minLength: 1 }), (names) => {
    const list = names.map(quoteName).join(", ");
    assert.deepEqual(splitNames(list), names);
    assert.doesNotMatch(list, /\p{Cc}/u);
  }));
  assert.equal(quoteName("T-shirt/top"), "T-shirt/top");
});
