import assert from "node:assert/strict";
import { checkpointPlace, shippedCheckpoints } from "../../../cli/flags/checkpoint_place.ts";
import { UsageError } from "../../../cli/terminal/errors.ts";
import { join } from "@std/path";
import type { Command } from "commander";
import { commands } from "../../../cli/commands.ts";
import { recordedIo } from "../support.ts";
import { filesOf, verifyArguments } from "../verify_cases.ts";
import { assertRefuses, run, succeed, withFolder } from "../runs.ts";

Deno.test("checkpoints that come with the tool have names, other places are paths", () => {
  for (const name of shippedCheckpoints) {
    const files = [...Deno.readDirSync(checkpointPlace(`shipped:${name}`, "--ckpt"))];
    assert(files.some((file) => file.name === "state.json"), name);
  }
  assert.equal(checkpointPlace("results/000-DiT-XS-4", "--ckpt"), "results/000-DiT-XS-4");
  assert.throws(
    () => checkpointPlace("shipped:fashon", "--ckpt"),
    (error) =>
      error instanceof UsageError &&
      /^--ckpt "shipped:fashon" is not known; did you mean shipped:fashion\?/.test(error.message),
  );
});

/** Flags that take checkpoints, runs or weights, in every command that has them. */
const checkpointFlags: ReadonlySet<string> = new Set([
  ...["--ckpt", "--resume", "--fork", "--init-from", "--vae", "--tokenizer", "--sr"],
  ...["--features", "--perceptual"],
]);

async function* everyCommand(): AsyncGenerator<Command> {
  for (const { load } of Object.values(commands)) {
    yield* withThoseBelow(await (await load()).command(recordedIo(), []));
  }
}

function* withThoseBelow(command: Command): Generator<Command> {
  yield command;
  for (const below of command.commands) yield* withThoseBelow(below);
}

Deno.test("every flag that takes a checkpoint knows those that come with the tool", async () => {
  const seen = new Set<string>();
  for await (const command of everyCommand()) {
    for (
      const { long, parseArg } of command.options.filter(({ long }) => checkpointFlags.has(long!))
    ) {
      seen.add(long!);
      const name = `${command.name()} ${long}`;
      assert.throws(() => parseArg!("shipped:fashon", undefined), UsageError, name);
    }
  }
  assert.deepEqual(seen, checkpointFlags);
});

Deno.test("shipped checkpoints are looked at, exported and converted by their names", () =>
  withFolder(async (folder) => {
    for (const info of [["info"], ["info", "checkpoint"]]) {
      assert.match(await succeed(...info, "shipped:fashion"), /^step +9,000$/m);
    }
    const out = join(folder, "mine");
    await succeed("export", "shipped:fashion", "--out", out);
    const file = join(folder, "fashion.safetensors");
    await succeed("convert", "shipped:fashion", file);
    const [exported, converted] = await Promise.all(
      [join(out, "ema.safetensors"), file].map((path) => run("info", path, "--json")),
    );
    const [a, b] = [exported, converted].map(({ out }) => JSON.parse(out).files[0].tensors);
    assert.deepEqual(a, b);
  }));

Deno.test("what a shipped checkpoint cannot do is refused with what can be done instead", () =>
  withFolder(async (folder) => {
    const train = ["train", "dit", "--results-dir", folder];
    const onlyWeights =
      /fashion: holds weights without an optimizer.*; --init-from starts a new run/;
    await assertRefuses(folder, [...train, "--resume", "shipped:fashion"], 1, onlyWeights);
    await assertRefuses(folder, [...train, "--fork", "shipped:fashion"], 1, onlyWeights);
    const file = "models/checkpoints/fashion/ema.safetensors";
    const onlyFile =
      /no run can go on from a file of weights; --init-from starts a new run from it/;
    await assertRefuses(folder, [...train, "--fork", file], 1, onlyFile);
    await assertRefuses(folder, [...train, "--resume", file], 1, onlyFile);
    for (const command of [["plot"], ["export", "tensorboard"]]) {
      const out = ["--out", join(folder, "loss.svg")];
      await assertRefuses(folder, [...command, "shipped:fashion", ...out], 1, /metrics\.jsonl/);
    }
    for (const command of [["info"], ["info", "checkpoint"], ["convert"], ["export"], ["plot"]]) {
      const unknown = [...command, "shipped:fashon", ...(command[0] === "convert" ? ["out"] : [])];
      const out = command[0] === "export" ? ["--out", join(folder, "out")] : [];
      await assertRefuses(folder, [...unknown, ...out], 2, /did you mean shipped:fashion\?/);
    }
  }));

Deno.test("verify opens the averages of a shipped checkpoint", async () => {
  const files = { ...filesOf("dit-pixel"), ckpt: "shipped:fashion" };
  const { code, err } = await run(...verifyArguments("dit", files));
  assert.match(err, /fashion.ema\.safetensors: the parameter \S+ has the shape/);
  assert.equal(code, 1);
});
