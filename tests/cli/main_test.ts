import assert from "node:assert/strict";
import { join, resolve } from "@std/path";
import { commands } from "../../cli/commands.ts";
import { main } from "../../cli/main.ts";
import { recordedIo, runTessera } from "./support.ts";

async function run(...args: string[]) {
  const io = recordedIo();
  return { code: await main(args, io), ...io.written };
}

Deno.test("--help lists every subcommand on stdout", async () => {
  const { code, out, err } = await run("--help");
  assert.equal(code, 0);
  assert.equal(err, "");
  for (const [name, { summary }] of Object.entries(commands)) {
    assert.match(out, new RegExp(`^  ${name}\\s+(?:\\[.*\\]\\s+)?${summary}`, "m"));
  }
});

Deno.test("every subcommand has help with examples or commands of its own", async () => {
  for (const name of Object.keys(commands)) {
    const { code, out } = await run(name, "--help");
    assert.equal(code, 0);
    assert.match(out, new RegExp(`Usage: tessera ${name}`));
    assert.match(out, /^(?:Examples|Commands):$/m);
    assert.equal((await run("help", name)).out, out);
  }
});

Deno.test("without a subcommand the help goes to stderr and the exit code is 2", async () => {
  for (const args of [[], ["info"]]) {
    const { code, out, err } = await run(...args);
    assert.equal(code, 2);
    assert.equal(out, "");
    assert.match(err, /^Usage: tessera/);
  }
});

Deno.test("--version names the tool and everything it runs on", async () => {
  for (const flag of ["--version", "-V"]) {
    const { code, out } = await run(flag);
    assert.equal(code, 0);
    assert.match(out, /^tessera \d+\.\d+\.\d+.*\ndeno \d.*\nv8 \d.*\ntypescript \d.*\n$/);
  }
});

Deno.test("wrong command lines end with exit code 2 and the closest match", async () => {
  const cases: [string[], string][] = [
    [["inof"], "unknown command 'inof'; did you mean info? (see tessera --help)"],
    [
      ["info", "device"],
      "unknown command 'device'; did you mean devices? (see tessera info --help)",
    ],
    [
      ["info", "devices", "--jsno"],
      "unknown option '--jsno'; did you mean --json? (see tessera info devices --help)",
    ],
    [["--bogus"], "unknown option '--bogus' (see tessera --help)"],
    [
      ["info", "version", "now"],
      "too many arguments for 'version'. Expected 0 arguments but got 1: now (see tessera info version --help)",
    ],
  ];
  for (const [args, message] of cases) {
    assert.deepEqual(await run(...args), { code: 2, out: "", err: `tessera: ${message}\n` });
  }
});

Deno.test("--debug shows the stack trace of an error", async () => {
  const { code, err } = await run("info", "--bogus", "--debug");
  assert.equal(code, 2);
  assert.match(err, /^tessera: UsageError: unknown option '--bogus'[^]*\n {4}at /);
});

Deno.test("help needs no permission, no package but commander, and little time", async () => {
  await runTessera(["--help"], ["--no-prompt"]);
  const start = performance.now();
  const { code, err } = await runTessera(["--help"], ["--no-prompt"]);
  const seconds = (performance.now() - start) / 1000;
  console.log(`tessera --help: ${seconds.toFixed(3)} s`);
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  // The goal is 0.3 s; a loaded machine gets ten times as long.
  assert(seconds < 3, `${seconds} s`);
});

Deno.test("every subcommand's help works without ffi, env, sys and write permission", async () => {
  const denied = ["--deny-ffi", "--deny-env", "--deny-sys", "--deny-write", "--deny-net"];
  for (const name of Object.keys(commands)) {
    const { code, err } = await runTessera([name, "--help"], ["--no-prompt", ...denied]);
    assert.deepEqual({ code, err }, { code: 0, err: "" }, name);
  }
});

Deno.test("the process ends with the exit code and one line", async () => {
  const { code, out, err } = await runTessera(["info", "devcies"]);
  assert.equal(code, 2);
  assert.equal(out, "");
  assert.match(err, /^tessera: unknown command 'devcies'; did you mean devices\?.*\n$/);
});

Deno.test("with --log-format json errors are JSON with their exit code, whatever is wrong", async () => {
  const cases: [number, RegExp, ...string[]][] = [
    [2, /^unknown option '--bogus'/, "train", "dit", "--bogus", "--log-format", "json"],
    [2, /^unknown command 'inof'/, "inof", "--log-format=json"],
    [1, /none: does not exist/, "sample", "dit", "--ckpt", "none", "--log-format", "json"],
  ];
  for (const [code, message, ...args] of cases) {
    const { code: ended, err } = await run(...args);
    const { error, exitCode } = JSON.parse(err);
    assert.match(error, message);
    assert.deepEqual([ended, exitCode], [code, code]);
  }
  const help = await run("train", "--log-format", "json");
  assert.match(JSON.parse(help.err).message ?? JSON.parse(help.err).error, /train/);
});

Deno.test("a classifier's help speaks of no latents and no null class, a DiT's does", async () => {
  const help = async (...args: string[]) => {
    const io = recordedIo();
    assert.equal(await main([...args, "--help"], io), 0);
    return io.written.out;
  };
  for (const command of [["train", "navit"], ["eval", "navit"], ["bench", "packing"]]) {
    assert.doesNotMatch(await help(...command), /latent|null class/, command.join(" "));
  }
  assert.match(await help("train", "dit"), /4 latent[^]*without the null class/);
});

Deno.test("through deno task relative paths are those of the folder the user stands in", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tessera stands here " });
  try {
    const args = ["task", "--quiet", "--config", resolve("deno.json"), "sample", "dit"];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, "--num-sampling-steps", "1", "--count", "1", "--quiet", "--device", "wasm"],
      cwd: folder,
      env: { INIT_CWD: folder, NO_COLOR: "1" },
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.deepEqual([code, out], [0, `${join("samples", "grid.png")}\n`], err);
    assert((await Deno.stat(join(folder, "samples", "grid.png"))).isFile);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "what Deno keeps closed is refused in the tool's own words, before the work",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const places: string[][] = [
      ["train", "dit", "--data-path", "/dev/shm/set"],
      ["train", "dit", "--results-dir", "/dev/shm/results"],
      ["sample", "dit", "--out", "/dev/shm/out"],
      ["sample", "dit", "--npz", "/proc/self/fd/1"],
      ["info", "/dev/shm/run"],
      ["eval", "navit", "--ckpt", "/dev/shm/run"],
      ["plot", "/dev/shm/run"],
    ];
    for (const args of places) {
      const { code, out, err } = await runTessera(args);
      assert.deepEqual([code, out], [1, ""], err);
      assert.match(
        err,
        /^tessera: \/(?:dev|proc)\/.*: files under \/dev, \/proc and \/sys are closed/m,
      );
      assert.doesNotMatch(err, /allow/);
    }
  },
});
