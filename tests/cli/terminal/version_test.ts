import assert from "node:assert/strict";
import { denoProblem, describeVersions, isOlder } from "../../../cli/terminal/version.ts";

Deno.test("versions are compared number by number", () => {
  assert.equal(isOlder("2.9.5", "2.9.5"), false);
  assert.equal(isOlder("2.9.4", "2.9.5"), true);
  assert.equal(isOlder("2.10.0", "2.9.5"), false);
  assert.equal(isOlder("1.46.3", "2.9.5"), true);
  assert.equal(isOlder("3.0.0", "2.9.5"), false);
  assert.equal(isOlder("2.9.6+abc", "2.9.5"), false);
});

Deno.test("an old Deno is refused with the way to a newer one", () => {
  assert.equal(denoProblem("2.9.6"), undefined);
  assert.equal(
    denoProblem("2.8.1"),
    "needs Deno 2.9.5 or newer, this is 2.8.1; npx --yes deno@2.9.6 runs a newer one",
  );
});

Deno.test("the commit is shortened, and left out where it is not known", () => {
  const versions = { tessera: "1.2.3", deno: "2.9.6", v8: "15.0", typescript: "6.0" };
  const rest = "\ndeno 2.9.6\nv8 15.0\ntypescript 6.0";
  assert.equal(describeVersions(versions), `tessera 1.2.3${rest}`);
  const commit = "0123456789abcdef0123456789abcdef01234567";
  assert.equal(
    describeVersions({ ...versions, commit }),
    `tessera 1.2.3 (commit 0123456789ab)${rest}`,
  );
});
