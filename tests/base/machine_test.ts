import assert from "node:assert/strict";
import { machineLine } from "../../base/machine.ts";
import { testMachine as machine } from "../formats/helpers.ts";

Deno.test("the machine fits on a line", () => {
  assert.equal(
    machineLine(machine),
    "Test CPU, 3 GHz, 2 cores, linux x86_64; tessera 0.1.0 (0123456789ab), Deno 2.9.6, V8 15.0",
  );
  assert.match(machineLine({ ...machine, cores: 1, commit: undefined }), /1 core, .*0\.1\.0, Deno/);
});
