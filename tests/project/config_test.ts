import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { nativeFolder } from "../../tools/native_folder.ts";
import { toolPermissions } from "../../tools/permissions.ts";
import { main } from "../../cli/main.ts";
import { recordedIo, taskPermissions } from "../cli/support.ts";
import { parseSummary } from "../../tools/test.ts";

const tasks: Record<string, { command: string; dependencies?: string[] }> = config.tasks;

Deno.test("every task of the project exists, and demo and test prepare the machine first", () => {
  const tools = "tessera tessera:safe train sample eval bench demo install compile".split(" ");
  const names = [...tools, ..."setup test soak check".split(" ")];
  assert.deepEqual(Object.keys(tasks).sort(), names.sort());
  assert.deepEqual(tasks.demo.dependencies, ["setup"]);
  assert.deepEqual(tasks.test.dependencies, ["setup"]);
});

Deno.test("no task may use the network, all permissions, or ask for some", () => {
  for (const [name, { command }] of Object.entries(tasks)) {
    assert.doesNotMatch(command, /--allow-(?:net|all|import)|\s-\w*A/, name);
    for (const run of command.match(/deno run [^|&]*/g) ?? []) {
      assert.match(run, /--no-prompt/, name);
    }
  }
  const everything = /--allow-(?:run|ffi|env|sys)(?!=)/;
  for (const [name, { command }] of Object.entries(tasks)) {
    assert.doesNotMatch(command, everything, name);
  }
  assert.match(tasks.tessera.command, /--allow-run=ffmpeg /);
});

Deno.test("every test that does more in a soak is in the soak", async () => {
  const roots = tasks.soak.command.split("tools/test.ts ")[1].split(" ");
  const entries = await Array.fromAsync(Deno.readDir("tests"), ({ name }) => `tests/${name}`);
  while (entries.length > 0) {
    const path = entries.pop()!;
    if (roots.some((root) => path === root || path.startsWith(`${root}/`))) continue;
    if ((await Deno.stat(path)).isDirectory) {
      for await (const { name } of Deno.readDir(path)) entries.push(`${path}/${name}`);
    } else if (path.endsWith("_test.ts")) {
      assert.doesNotMatch(await Deno.readTextFile(path), /\bfrom ".*\/scale\.ts"/, path);
    }
  }
});

Deno.test("native libraries are loaded from the folder of sharp's; programs are Deno, apt-get and ffmpeg", async () => {
  const folder = nativeFolder();
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  assert.ok(names.some((name) => name.startsWith("sharp-libvips-")), names.join());
  assert.ok(taskPermissions.includes(`--allow-ffi=${folder}`), taskPermissions.join(" "));
  assert.ok(toolPermissions().includes("--allow-ffi"));
  for (const name of ["setup", "test", "soak", "install", "compile"]) {
    const scope = /--allow-run=\$\(deno eval -p 'Deno\.execPath\(\)'\)(,\/usr\/bin\/apt-get)?"/;
    const [, others] = scope.exec(tasks[name].command) ?? assert.fail(tasks[name].command);
    assert.equal(others !== undefined, name === "setup");
  }
});

Deno.test("packages are pinned, and nothing comes from elsewhere than npm and Node", () => {
  for (const [name, target] of Object.entries(config.imports)) {
    assert.match(target, /^(?:npm:.+@\d+\.\d+\.\d+|node:\w+)$/, name);
  }
});

Deno.test("the lock file holds the packages of the project, and not those of a benchmark's peers", async () => {
  const { specifiers } = JSON.parse(await Deno.readTextFile("deno.lock"));
  const packages = Object.values(config.imports).filter((target) => target.startsWith("npm:"));
  assert.deepEqual(Object.keys(specifiers).sort(), packages.sort());
});

Deno.test("the README explains every package, and no other", async () => {
  const readme = await Deno.readTextFile("README.md");
  const [, table] = /^## Dependencies$(.*?)^`@std\/path`/ms.exec(readme) ?? assert.fail("no table");
  const cells = [...table.matchAll(/^\| (`[^|]*`) +\|/gm)].map(([, cell]) => cell);
  const explained = cells.flatMap((cell) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  );
  const packages = Object.keys(config.imports).filter((name) => name !== "@std/path");
  assert.deepEqual(explained.sort(), packages.sort());
});

Deno.test("what the tool leaves in a checkout unless told otherwise is ignored by git", async () => {
  const ignored = (await Deno.readTextFile(".gitignore")).split("\n");
  const commands = ["train dit", "train navit", "demo", "sample dit", "plot", "export tensorboard"];
  const found = new Set<string>();
  for (const command of commands) {
    const args = command === "demo" ? ["demo", "dit"] : command.split(" ");
    const io = recordedIo({ columns: () => 400 });
    assert.equal(await main([...args, "--help"], io), 0);
    const [, place] = /--(?:out|results-dir) <.*\(default: ([\w.]+)\)/.exec(io.written.out) ??
      assert.fail(io.written.out);
    assert(
      ignored.includes(`/${place}`) || ignored.includes(`/${place}/`),
      `${place} of ${command}`,
    );
    found.add(place);
  }
  assert.deepEqual([...found].sort(), ["loss.svg", "results", "samples", "tensorboard"]);
});

Deno.test("the lock file names no registry but npm's", async () => {
  const lock = await Deno.readTextFile("deno.lock");
  assert.doesNotMatch(lock, /"jsr:|"(?:tarball|resolved)":/);
  for (const [, host] of lock.matchAll(/https?:\/\/([^/"]+)/g)) {
    assert.equal(host, "registry.npmjs.org");
  }
});

Deno.test("the test runner reads deno test's last line", () => {
  const cases: [string, ReturnType<typeof parseSummary>][] = [
    ["ok | 12 passed | 0 failed (3s)", { passed: 12, failed: 0 }],
    ["ok | 1 passed (4 steps) | 0 failed | 2 ignored (8ms)", { passed: 1, failed: 0 }],
    ["FAILED | 3 passed (1 step) | 2 failed (1 step) | 1 filtered out (3s)", {
      passed: 3,
      failed: 2,
    }],
    ["\x1b[31mFAILED\x1b[0m | 0 passed | 1 failed \x1b[90m(1s)\x1b[0m", { passed: 0, failed: 1 }],
    ["the test prints: ok | 12 passed | 0 failed", undefined],
    ["12 passed, 0 failed", undefined],
  ];
  for (const [line, counts] of cases) assert.deepEqual(parseSummary(line), counts, line);
});
