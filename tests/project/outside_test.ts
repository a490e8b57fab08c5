/** The library from a script outside of the repository, and the tool from any folder. */
import assert from "node:assert/strict";
import { join, relative, resolve } from "@std/path";
import { installArguments } from "../../tools/install.ts";
import { fastFlags } from "../../tools/v8_flags.ts";
import { taskPermissions } from "../cli/support.ts";

const repository = resolve(import.meta.dirname!, "..", "..");

/** Uses kernels with worker threads, and decodes pictures in worker threads. */
const script = (library: string) => `
import { compile, createPackedLoader, input, makeGraph, openPictureSet, selectDevice, square } from "${library}";
const { device } = await selectDevice({ device: "wasm", threads: 2 });
const program = await device.load(compile(makeGraph("g", { outputs: { y: square(input("x", [2])) } })));
program.buffer("x").write(Float32Array.of(2, 3));
program.run();
console.log(...await program.buffer("y").read());
device.close();
const pictures = await openPictureSet(Deno.args[0], { split: "test" });
const loader = createPackedLoader(pictures, {
  sequences: 1, sequenceLength: 64, images: 8, patch: 8, seed: 1, workers: 1,
  resolution: { kind: "fixed", side: 32 },
});
console.log((await loader.next()).patches.some((value) => value !== 0));
loader.close();
Deno.exit();
`;

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "tessera outside " }));
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function deno(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

const pictures = join(repository, "data/samples/clipart");

Deno.test("a project of its own finds the library through links", async () => {
  await withFolder(async (folder) => {
    const links = [relative(folder, repository)];
    await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify({ links }));
    await Deno.writeTextFile(join(folder, "a.ts"), script("@tessera/tessera"));
    const run = ["run", "--cached-only", ...taskPermissions, "a.ts", pictures];
    assert.equal(await deno(folder, ...run), "4 9\ntrue");
    await deno(folder, "check", "a.ts");
  });
});

Deno.test("a lone script takes the repository's configuration", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "a.ts"), script(join(repository, "mod.ts")));
    const config = ["--config", join(repository, "deno.json")];
    const run = ["run", "--cached-only", ...config, ...taskPermissions, "a.ts", pictures];
    assert.equal(await deno(folder, ...run), "4 9\ntrue");
  });
});

Deno.test("the installed tool works in any folder, with paths of that folder", async () => {
  await withFolder(async (folder) => {
    const [install, ...others] = installArguments();
    await deno(folder, install, "--root", join(folder, "root"), ...others);
    const shim = await Deno.readTextFile(join(folder, "root/bin/tessera"));
    // What the shim runs, since tests may start Deno and nothing else.
    const [, command] = shim.match(/^exec deno (.*)$/m)!;
    const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) =>
      quoted ?? plain
    );
    assert(words.includes(`--v8-flags=${fastFlags}`), command);
    const args = words.slice(0, -1);
    const tool = (...rest: string[]) => deno(folder, ...args, ...rest);
    const small = ["--patch", "7", "--hidden", "16", "--heads", "2", "--depth", "1"];
    const device = ["--device", "wasm", "--threads", "1"];
    const run = await tool("train", "dit", "--steps", "2", ...small, ...device);
    assert.equal(run, "results/000-DiT-XS-4");
    const grid = await tool("sample", "dit", "--ckpt", run, "--num-sampling-steps", "2", ...device);
    assert.equal(grid, "samples/grid.png");
    for (const path of [join(run, "loss.svg"), grid]) {
      assert((await Deno.stat(join(folder, path))).isFile);
    }
  });
});
