import assert from "node:assert/strict";
import fc from "fast-check";
import {
  asUsage,
  closest,
  describeError,
  exitCodeOf,
  UsageError,
} from "../../../cli/terminal/errors.ts";
import { Interrupted } from "../../../cli/terminal/signals.ts";
import { InputError } from "../../../base/errors.ts";

class NonFiniteLoss extends Error {
  readonly exitCode = 3;
}

Deno.test("exit codes follow the kind of error", () => {
  assert.equal(exitCodeOf(new UsageError("x")), 2);
  assert.equal(exitCodeOf(new InputError("x")), 1);
  assert.equal(exitCodeOf(new NonFiniteLoss("x")), 3);
  assert.equal(exitCodeOf(new Interrupted("SIGINT")), 130);
  assert.equal(exitCodeOf(new Interrupted("SIGTERM")), 143);
  assert.equal(exitCodeOf(new TypeError("x")), 1);
  assert.equal(exitCodeOf("thrown text"), 1);
});

Deno.test("an expected error is one line without a stack trace", () => {
  const error = new InputError("weights.safetensors is truncated:\n  it ends at byte 12");
  assert.equal(
    describeError(error, false),
    "weights.safetensors is truncated: it ends at byte 12",
  );
  const missing = new Deno.errors.NotFound("No such file: a.npz");
  assert.equal(describeError(missing, false), "No such file: a.npz");
});

Deno.test("a fault of the program says how to find it", () => {
  const error = new TypeError("x is not a function");
  assert.equal(describeError(error, false), "x is not a function (--debug shows where)");
  assert.match(describeError(error, true), /^TypeError: x is not a function\n {4}at /);
});

Deno.test("asUsage turns input errors into usage errors and lets others pass", () => {
  const fail = (error: Error) => () => {
    throw error;
  };
  assert.throws(() => asUsage(fail(new InputError("no model"))), new UsageError("no model"));
  assert.throws(() => asUsage(fail(new TypeError("bug"))), TypeError);
  assert.equal(asUsage(() => 3), 3);
});

Deno.test("closest finds misspelt words and stays silent on strangers", () => {
  const words = ["train", "sample", "bench", "info"];
  assert.equal(closest("trian", words), "train");
  assert.equal(closest("smaple", words), "sample");
  assert.equal(closest("INFO", words), "info");
  assert.equal(closest("quux", words), undefined);
  assert.equal(closest("train", []), undefined);
});

Deno.test("closest finds every word itself", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }), (words) => {
      for (const word of words) assert.equal(closest(word, words), word);
    }),
  );
});

Deno.test("what the system says is told without its numbers and the names of its calls", () => {
  const told = (message: string) => describeError(new Deno.errors.AlreadyExists(message), false);
  assert.equal(told("File exists (os error 17): mkdir '/a/b'"), "/a/b: file exists");
  assert.equal(
    told("Permission denied (os error 13): rename '/a/.b.tmp' -> '/a/b'"),
    "/a/b: permission denied",
  );
});

Deno.test("what Deno denies is told without flags that the tool does not have", () => {
  const denied = (message: string) => describeError(new Deno.errors.NotCapable(message), false);
  const closed = denied(
    'Requires all access to "/dev/shm/set", run again with the --allow-all flag',
  );
  assert.match(closed, /^\/dev\/shm\/set: files under \/dev, \/proc and \/sys are closed/);
  const other = denied('Requires read access to "/etc/a", run again with the --allow-read flag');
  assert.equal(other, "/etc/a: Tessera was started without the permission for this");
});
