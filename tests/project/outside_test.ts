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

/** What `deno.json` says of the library. */
async function configuration(): Promise<
  { exports: Record<string, string>; tasks: { check: { command: string } } }
> {
  return JSON.parse(await Deno.readTextFile(join(repository, "deno.json")));
}

Deno.test("every page of the library has a text, is linted, and is part of the whole", async () => {
  const { exports, tasks: { check } } = await configuration();
  const linted = check.command.match(/deno doc --lint ([^&]*) &&/)![1].split(" ");
  const whole = await Deno.readTextFile(join(repository, "mod.ts"));
  const pages = Object.values(exports);
  assert.deepEqual(linted.map((path) => `./${path}`).sort(), [...pages].sort());
  for (const page of pages) {
    const text = await Deno.readTextFile(join(repository, page));
    assert.match(text, /^\/\*\*[^]*@example[^]*@module/, page);
    assert(page === "./mod.ts" || whole.includes(`export * from "${page}";`), page);
  }
  // Names are listed once.
  assert.doesNotMatch(whole, /^export (?!\* from)/m);
});

const pictures = join(repository, "data/samples/clipart");

Deno.test("a project of its own finds the library through links", async () => {
  await withFolder(async (folder) => {
    const links = [relative(folder, repository)];
    await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify({ links }));
    await Deno.writeTextFile(join(folder, "a.ts"), script("@tessera/tessera"));
    // A project of its own has no lock file, so Deno asks the registry once which versions there are.
    await deno(folder, "check", "a.ts");
    await deno(folder, "install", "--entrypoint", "a.ts");
    const run = ["run", "--cached-only", ...taskPermissions, "a.ts", pictures];
    assert.equal(await deno(folder, ...run), "4 9\ntrue");
  });
});

Deno.test("a project of its own takes the parts of the library one by one", async () => {
  await withFolder(async (folder) => {
    const { exports } = await configuration();
    const specifiers = Object.keys(exports).map((part) => join("@tessera/tessera", part));
    const imports = specifiers.map((specifier, i) => `import * as p${i} from "${specifier}";`);
    const parts = specifiers.map((_, i) => `p${i}`).join();
    const whole = `
for (const part of [${parts}]) {
  for (const name of Object.keys(part)) if (part[name] !== p0[name]) console.log(name);
}
console.log(p0.Trainer.name);`;
    const links = [relative(folder, repository)];
    await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify({ links }));
    await Deno.writeTextFile(join(folder, "a.js"), `${imports.join("\n")}\n${whole}`);
    await Deno.writeTextFile(
      join(folder, "b.ts"),
      'import { selectDevice } from "@tessera/tessera/kernels";\n' +
        'console.log((await selectDevice({ device: "wasm", threads: 1 })).device.kind.name);\n' +
        "Deno.exit();",
    );
    assert.equal(await deno(folder, "run", "--cached-only", "--allow-read", "a.js"), "Trainer");
    assert.equal(await deno(folder, "run", "--cached-only", ...taskPermissions, "b.ts"), "wasm");
    await deno(folder, "check", "b.ts");
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
