/**
 * Reads the module graph of `cli/main.ts` (`deno info --json`) on stdin and fails
 * - when starting the tool would load more than it needs: `tessera --help` must not wait for the engine
 *   or a package;
 * - when modules import each other in a circle, be it for types or by `import()` only: such modules
 *   can only be read, moved and tested together.
 *
 * @module
 */

/** Packages that the command line may load before it knows the subcommand. */
const allowedPackages = ["commander"];

/** Project files that it may load then. */
const allowedFiles =
  /\/(?:cli\/(?:terminal\/)?[^/]+\.ts|base\/[^/]+\.ts|kernels\/devices\.ts|deno\.json)$/;

/** The part of `deno info --json` that is looked at here. */
export interface ModuleGraph {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

/** Everything that is loaded, in order, before the roots run, with the module that asks for it. */
function staticImports(graph: ModuleGraph): Map<string, string> {
  const modules = new Map(graph.modules.map((module) => [module.specifier, module]));
  const found = new Map<string, string>(graph.roots.map((root) => [root, "the start"]));
  for (const specifier of found.keys()) {
    for (const { code, isDynamic } of modules.get(specifier)?.dependencies ?? []) {
      // An import of types only has no `code`.
      if (isDynamic || !code?.specifier || found.has(code.specifier)) continue;
      found.set(code.specifier, specifier);
    }
  }
  return found;
}

/** One line for each module that the start path must not reach. */
export function startPathProblems(graph: ModuleGraph): string[] {
  const problems: string[] = [];
  for (const [specifier, importer] of staticImports(graph)) {
    const [scheme] = specifier.split(":", 1);
    const allowed = scheme === "node" || (scheme === "file" && allowedFiles.test(specifier)) ||
      (scheme === "npm" && allowedPackages.some((name) => specifier.startsWith(`npm:${name}@`)));
    if (!allowed) {
      problems.push(`${specifier} is loaded at start (by ${importer}); use await import()`);
    }
  }
  return problems;
}

/** Every import of a module: of values, of types and by `import()`. */
function importsOf(graph: ModuleGraph): Map<string, string[]> {
  return new Map(graph.modules.map(({ specifier, dependencies = [] }) => [
    specifier,
    dependencies.flatMap(({ code, type }) => code?.specifier ?? type?.specifier ?? []),
  ]));
}

/** Circles that a walk along the imports runs into, the shortest first. */
function findCircles(graph: ModuleGraph): string[][] {
  const imports = importsOf(graph);
  const circles: string[][] = [];
  const visited = new Set<string>();
  const path: string[] = [];
  const visit = (specifier: string): void => {
    const start = path.indexOf(specifier);
    if (start >= 0) circles.push(path.slice(start));
    if (visited.has(specifier)) return;
    visited.add(specifier);
    path.push(specifier);
    imports.get(specifier)?.forEach(visit);
    path.pop();
  };
  graph.roots.forEach(visit);
  return circles.sort((a, b) => a.length - b.length);
}

/** One line for each circle that shares no module with a shorter one. */
export function circleProblems(graph: ModuleGraph): string[] {
  const reported = new Set<string>();
  return findCircles(graph).flatMap((circle) => {
    if (circle.some((specifier) => reported.has(specifier))) return [];
    circle.forEach((specifier) => reported.add(specifier));
    const paths = [...circle, circle[0]].map((specifier) => specifier.replace(projectRoot, ""));
    return [`import circle: ${paths.join(" -> ")}`];
  });
}

/** The address of the project's folder, which is left out of messages. */
const projectRoot = new URL("..", import.meta.url).href;

if (import.meta.main) {
  const graph: ModuleGraph = await new Response(Deno.stdin.readable).json();
  const problems = [...startPathProblems(graph), ...circleProblems(graph)];
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
  console.error(`start path: ${staticImports(graph).size} modules; no import circles`);
}
