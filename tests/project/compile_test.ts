import assert from "node:assert/strict";
import { join, relative } from "@std/path";
import { assetUrl, embeddedFiles, workerModules } from "../../cli/terminal/assets.ts";
import { compileArguments, runtimeAdvice } from "../../tools/compile.ts";

/** All TypeScript files of the product. */
async function* sources(folder = "."): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory && !/^(?:\.|tests|tools|peers|node_modules|dist|results)/.test(name)) {
      yield* sources(path);
    } else if (name.endsWith(".ts")) {
      yield path;
    }
  }
}

/** Every file under a project path. */
async function* filesIn(path: string): AsyncGenerator<string> {
  if ((await Deno.stat(path)).isFile) return yield path;
  for await (const { name } of Deno.readDir(path)) yield* filesIn(join(path, name));
}

Deno.test("every worker of the product is listed in cli/terminal/assets.ts", async () => {
  const workers = new Set<string>();
  for await (const path of sources()) {
    const text = await Deno.readTextFile(path);
    const found = text.matchAll(/new Worker\(\s*new URL\("([^"]+)", import\.meta\.url\)/g);
    for (const [, target] of found) workers.add(join(path, "..", target));
  }
  assert.deepEqual([...workers].sort(), [...workerModules].sort());
});

Deno.test("only what is listed can be opened", () => {
  assert.throws(() => assetUrl("README.md"), /not listed/);
  for (const path of embeddedFiles) assert(assetUrl(path).pathname.endsWith(path));
});

/** One entry of the directory that `deno compile` writes into the binary as JSON. */
type Entry = { Dir: { n: string; e: Entry[] } } | { File: { n: string } } | { Symlink: unknown };

/** Paths of all files in the binary. */
function embeddedPaths(binary: Uint8Array): string[] {
  const text = new TextDecoder("latin1").decode(binary);
  const start = text.lastIndexOf('[{"Dir":{"n":".deno_compile_node_modules"');
  assert(start >= 0, "the binary has no directory");
  const end = matchingBracket(text, start);
  const list = (entries: Entry[], folder: string): string[] =>
    entries.flatMap((entry) => {
      if ("Dir" in entry) return list(entry.Dir.e, `${folder}${entry.Dir.n}/`);
      return "File" in entry ? [folder + entry.File.n] : [];
    });
  return list(JSON.parse(text.slice(start, end)), "");
}

/** The index behind the bracket that closes the one at `start`. File names contain none. */
function matchingBracket(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length; index++) {
    if (text[index] === "[") depth++;
    if (text[index] === "]" && --depth === 0) return index + 1;
  }
  throw new Error("the directory does not end");
}

/** Runs Deno and returns its stdout. */
async function deno(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { NO_COLOR: "1", ...env },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** The part of `deno info --json` that is looked at here. */
interface InfoGraph {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly local?: string;
    readonly npmPackage?: string;
    readonly dependencies?: readonly { readonly code?: { readonly specifier?: string } }[];
  }[];
}

/**
 * Sources and packages that `cli/main.ts` reaches, by static and dynamic imports. Modules that are
 * imported for their types only do not exist at run time.
 */
async function reachable(): Promise<{ files: string[]; packages: string[] }> {
  const graph: InfoGraph = JSON.parse(await deno(["info", "--json", "cli/main.ts"]));
  const modules = new Map(graph.modules.map((module) => [module.specifier, module]));
  const found = new Set(graph.roots);
  for (const specifier of found) {
    for (const { code } of modules.get(specifier)?.dependencies ?? []) {
      if (code?.specifier) found.add(code.specifier);
    }
  }
  const reached = [...found].flatMap((specifier) => modules.get(specifier) ?? []);
  return {
    files: reached.flatMap(({ local }) => local ? [relative(".", local)] : []),
    packages: graph.modules.flatMap(({ npmPackage }) => npmPackage ?? []),
  };
}

Deno.test("the compiled binary holds sources, workers, files and sharp's libraries", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const output = join(folder, "tessera");
    // Deno itself stands in for the runtime, which would have to be downloaded. The result does not
    // run, but everything up to writing it does.
    await deno(await compileArguments(output), { DENORT_BIN: Deno.execPath() });
    const embedded = embeddedPaths(await Deno.readFile(output));

    const { files, packages } = await reachable();
    const expected = [...files, ...workerModules];
    for (const path of embeddedFiles) {
      for await (const file of filesIn(path)) expected.push(file);
    }
    assert(expected.includes("cli/main.ts"));
    for (const file of expected) assert(embedded.includes(file), `${file} is missing`);

    const modules = ".deno_compile_node_modules/localhost";
    for (const name of packages) {
      // `name@version`, and the versions of its peers after an underscore.
      const folder = `${modules}/${name.replace(/(?<=.)@([^_]+).*$/, "/$1/")}`;
      assert(embedded.some((file) => file.startsWith(folder)), `${name} is missing`);
    }
    if (packages.some((name) => name.startsWith("sharp@"))) {
      assert(embedded.some((file) => /sharp-libvips-.*\/libvips/.test(file)), "libvips is missing");
      assert(embedded.some((file) => file.endsWith(".node")), "sharp's addon is missing");
    }
    assert(!embedded.some((file) => file.includes("linuxmusl")), "a library that nobody loads");
    assert(!embedded.some((file) => /^(?:tests|tools)\//.test(file)), "tests or tools");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("without network compile says what it needs and where to put it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const target = "aarch64-apple-darwin";
    const release = `release/v${Deno.version.deno}`;
    const advice = runtimeAdvice(folder, target);
    assert(advice.includes(`https://dl.deno.land/${release}/denort-${target}.zip`));
    const place = join(folder, "dl", release);
    assert(advice.includes(place));
    // Deno does look there: a file that is no archive is an error of another kind than no network.
    const compile = async () => {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["compile", "--target", target, "--output", join(folder, "out"), "tools/adapter.ts"],
        env: {
          NO_COLOR: "1",
          DENO_DIR: folder,
          HTTPS_PROXY: "http://127.0.0.1:9",
          HTTP_PROXY: "http://127.0.0.1:9",
        },
      }).output();
      assert.notEqual(code, 0);
      return new TextDecoder().decode(stderr);
    };
    assert.match(await compile(), /dl\.deno\.land/);
    await Deno.mkdir(place, { recursive: true });
    await Deno.writeTextFile(join(place, `denort-${target}.zip`), "not an archive");
    assert.doesNotMatch(await compile(), /dl\.deno\.land/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
