import assert from "node:assert/strict";
import { resolve } from "@std/path";
import plugin from "../../tools/lint.ts";

/** The messages of the project's rules about `source`, as if it were the project file `path`. */
function lint(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, resolve(path), source)
    .map(({ id, message }) => `${id}: ${message}`);
}

Deno.test("import() takes a string literal in what is compiled", () => {
  assert.deepEqual(lint("models/a.ts", 'await import("./b.ts");'), []);
  const [problem, ...others] = lint("models/a.ts", "await import(name);");
  assert.match(problem, /^tessera\/literal-import:/);
  assert.deepEqual(others, []);
  assert.equal(lint("models/a.ts", "await import(`./${name}.ts`);").length, 1);
  assert.deepEqual(lint("tests/a_test.ts", "await import(name);"), []);
});

Deno.test("nothing is found relative to a module, except workers and assets", () => {
  const refused = [
    'Deno.readFileSync(new URL("./a.bin", import.meta.url));',
    "const here = import.meta.dirname;",
    'const path = import.meta.resolve("./a.ts");',
    "new Worker(new URL(path, import.meta.url));",
    'new Worker(new URL("a.ts", import.meta.url));',
    "const meta = import.meta;",
  ];
  for (const source of refused) {
    const [problem, ...others] = lint("kernels/a.ts", source);
    assert.match(problem, /^tessera\/module-relative:/, source);
    assert.deepEqual(others, []);
    assert.deepEqual(lint("tools/a.ts", source), []);
  }
  const worker = 'new Worker(new URL("./a.ts", import.meta.url), { type: "module" });';
  assert.deepEqual(lint("kernels/wasm/a.ts", worker), []);
  assert.deepEqual(lint("cli/main.ts", "if (import.meta.main) run();"), []);
  assert.deepEqual(lint("cli/terminal/assets.ts", refused[0]), []);
  const font = 'Deno.readFileSync(new URL("./inter/latin-400.woff", import.meta.url));';
  assert.deepEqual(lint("formats/plots/a.ts", font), []);
  assert.equal(lint("formats/a.ts", font).length, 1, "a file that is not embedded");
});

Deno.test("heavy packages are imported where they are used", () => {
  assert.match(lint("formats/a.ts", 'import sharp from "sharp";')[0], /^tessera\/lazy-package:/);
  assert.deepEqual(lint("formats/a.ts", 'import type { Sharp } from "sharp";'), []);
  assert.deepEqual(lint("formats/a.ts", 'const sharp = await import("sharp");'), []);
  assert.deepEqual(lint("formats/a.ts", 'import { gunzipSync } from "fflate";'), []);
});

Deno.test("imports point down the list of folders", () => {
  const allowed: [string, string][] = [
    ["cli/a.ts", "../training/b.ts"],
    ["training/a.ts", "../kernels/webgpu/b.ts"],
    ["kernels/wasm/a.ts", "../graph/b.ts"],
    ["kernels/a.ts", "../base/errors.ts"],
    ["cli/a.ts", "../deno.json"],
    ["tests/kernels/a_test.ts", "../../cli/main.ts"],
    ["bench/peers/a.ts", "../../cli/main.ts"],
    ["mod.ts", "./kernels/mod.ts"],
  ];
  for (const [file, target] of allowed) {
    assert.deepEqual(lint(file, `import { b } from "${target}";`), [], `${file} ${target}`);
  }
  const refused: [string, string][] = [
    ["kernels/a.ts", "../formats/npz.ts"],
    ["kernels/webgpu/a.ts", "../../models/dit/model.ts"],
    ["data/a.ts", "../models/b.ts"],
    ["training/a.ts", "../models/dit/model.ts"],
    ["training/a.ts", "../cli/terminal/progress.ts"],
    ["cli/a.ts", "../tests/reference/b.ts"],
    ["models/a.ts", "../mod.ts"],
  ];
  for (const [file, target] of refused) {
    for (const source of [`import { b } from "${target}";`, `export * from "${target}";`]) {
      const [problem, ...others] = lint(file, source);
      assert.match(problem, /^tessera\/folder-order:/, `${file} ${target}`);
      assert.deepEqual(others, []);
    }
  }
});

Deno.test("devices are named in their table and in their rooms", () => {
  const sources = [
    'const kind = "wasm";',
    'let kind: "auto" | "webgpu";',
    'if (name === "wasm") f();',
  ];
  for (const source of sources) {
    const [problem, ...others] = lint("training/a.ts", source);
    assert.match(problem, /^tessera\/device-name:/, source);
    assert.deepEqual(others, []);
    for (const file of ["kernels/devices.ts", "kernels/wasm/a.ts", "kernels/webgpu/a.ts"]) {
      assert.deepEqual(lint(file, source), []);
    }
    assert.deepEqual(lint("tests/a_test.ts", source), []);
  }
});

Deno.test("papers are cited by their own sections", () => {
  // In parts, because the rule reads this file too.
  const refused = [
    "papers" + ".md 1.9",
    "papers" + " 3.10",
    "(Di" + "T, 1.10)",
    "(NaVi" + "T, 3.3)",
  ];
  for (const citation of refused) {
    const [problem, ...others] = lint("tests/a_test.ts", `// as in ${citation}\nf();`);
    assert.match(problem, /^tessera\/real-citation: ".*" leads nowhere$/);
    assert.deepEqual(others, []);
  }
  for (const citation of ["(DiT, section 3.2)", "(NaViT, Table 4)", "the papers' 12 sizes"]) {
    assert.deepEqual(lint("kernels/a.ts", `// as in ${citation}\nf();`), []);
  }
});

Deno.test("wrong arguments are of one class of errors in the product", () => {
  assert.match(lint("kernels/a.ts", 'throw new TypeError("x");')[0], /^tessera\/error-class:/);
  assert.deepEqual(lint("kernels/a.ts", 'throw new RangeError("x");'), []);
  assert.deepEqual(lint("kernels/a.ts", "if (!(error instanceof TypeError)) throw error;"), []);
  assert.deepEqual(lint("tests/a.ts", 'throw new TypeError("x");'), []);
});

Deno.test("private members have private names", () => {
  const sources = [
    "class A { private x = 1; }",
    "class A { private get x() { return 1; } }",
    "class A { private static x() {} }",
    "class A { constructor(private readonly x: number) {} }",
  ];
  for (const source of sources) {
    const [problem, ...others] = lint("kernels/a.ts", source);
    assert.match(problem, /^tessera\/private-name:/);
    assert.deepEqual(others, []);
  }
  const names = "class A { #x = 1; protected y = this.#x; private constructor() {} }";
  assert.deepEqual(lint("kernels/a.ts", names), []);
});
