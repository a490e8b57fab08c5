import assert from "node:assert/strict";
import { type Machine, machineLine } from "../../formats/machine.ts";

const machine: Machine = {
  cpu: "Test CPU, 3 GHz",
  cores: 2,
  system: "linux x86_64",
  deno: "2.9.6",
  v8: "15.0",
  tessera: "0.1.0",
  commit: "0123456789abcdef",
};

Deno.test("the machine fits on a line", () => {
  assert.equal(
    machineLine(machine),
    "Test CPU, 3 GHz, 2 cores, linux x86_64; tessera 0.1.0 (0123456789ab), Deno 2.9.6, V8 15.0",
  );
  assert.match(machineLine({ ...machine, cores: 1, commit: undefined }), /1 core, .*0\.1\.0, Deno/);
});
