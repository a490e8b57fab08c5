import assert from "node:assert/strict";
import { circleProblems, type ModuleGraph, startPathProblems } from "../../tools/import_graph.ts";

/** A graph of modules below file:///p/cli/main.ts; `?` marks a dynamic import. */
function graph(imports: Record<string, string[]>): ModuleGraph {
  const modules = Object.entries(imports).map(([specifier, targets]) => ({
    specifier,
    dependencies: targets.map((target) => ({
      code: { specifier: target.replace(/^\?/, "") },
      isDynamic: target.startsWith("?"),
    })),
  }));
  return { roots: ["file:///p/cli/main.ts"], modules };
}

Deno.test("the start path may hold the command line, commander and Node's modules", () => {
  const problems = startPathProblems(graph({
    "file:///p/cli/main.ts": [
      "file:///p/cli/terminal/errors.ts",
      "npm:commander@15.1.0",
      "?npm:zod@4.0.0",
    ],
    "file:///p/cli/terminal/errors.ts": [
      "file:///p/base/errors.ts",
      "node:path",
      "file:///p/deno.json",
    ],
  }));
  assert.deepEqual(problems, []);
});

Deno.test("a package or the engine behind static imports is a problem", () => {
  const problems = startPathProblems(graph({
    "file:///p/cli/main.ts": ["file:///p/cli/train.ts", "?file:///p/cli/info.ts"],
    "file:///p/cli/train.ts": ["file:///p/models/dit.ts"],
    "file:///p/models/dit.ts": ["npm:zod@4.0.0"],
    "file:///p/cli/info.ts": ["npm:sharp@0.35.5"],
  }));
  assert.deepEqual(problems, [
    "file:///p/models/dit.ts is loaded at start (by file:///p/cli/train.ts); use await import()",
    "npm:zod@4.0.0 is loaded at start (by file:///p/models/dit.ts); use await import()",
  ]);
});

Deno.test("an import of types alone loads nothing", () => {
  const problems = startPathProblems({
    roots: ["file:///p/cli/main.ts"],
    modules: [{ specifier: "file:///p/cli/main.ts", dependencies: [{}] }],
  });
  assert.deepEqual(problems, []);
});

Deno.test("modules that import each other are a problem", () => {
  const problems = circleProblems(graph({
    "file:///p/cli/main.ts": ["file:///p/a.ts", "npm:zod@4.0.0"],
    "file:///p/a.ts": ["file:///p/b.ts", "file:///p/c.ts"],
    "file:///p/b.ts": ["?file:///p/d.ts", "file:///p/c.ts"],
    "file:///p/c.ts": [],
    "file:///p/d.ts": ["file:///p/a.ts"],
  }));
  assert.deepEqual(problems, [
    "import circle: file:///p/a.ts -> file:///p/b.ts -> file:///p/d.ts -> file:///p/a.ts",
  ]);
});

Deno.test("an import of types alone closes a circle", () => {
  const modules = [
    {
      specifier: "file:///p/cli/main.ts",
      dependencies: [{ code: { specifier: "file:///p/a.ts" } }],
    },
    {
      specifier: "file:///p/a.ts",
      dependencies: [{ type: { specifier: "file:///p/cli/main.ts" } }],
    },
  ];
  const problems = circleProblems({ roots: ["file:///p/cli/main.ts"], modules });
  assert.deepEqual(problems, [
    "import circle: file:///p/cli/main.ts -> file:///p/a.ts -> file:///p/cli/main.ts",
  ]);
});
