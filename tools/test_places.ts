/**
 * Fails when a test does not stand where what it tests stands: `tests/` mirrors the folders of the
 * product.
 *
 * @module
 */
import { productFolders } from "./lint.ts";

/** Tests of no folder: of whole processes, of the project's own tools, of the reference itself. */
const elsewhere = ["tests/crash/", "tests/project/", "tests/reference/"];

const folderOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("/"), 0));
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/**
 * One line for each test in the wrong place: its folder is none of the product's, or the module that
 * it is named after stands in a folder below.
 *
 * @param files paths in the project, with forward slashes
 */
export function misplacedTests(files: readonly string[]): string[] {
  const modules = files.filter((file) =>
    file.endsWith(".ts") && productFolders.includes(file.split("/", 1)[0])
  );
  const folders = new Set(modules.flatMap((file) => foldersAbove(file)));
  return files.flatMap((test) => {
    if (!test.startsWith("tests/") || !test.endsWith("_test.ts")) return [];
    if (elsewhere.some((folder) => test.startsWith(folder))) return [];
    const folder = folderOf(test).slice("tests/".length);
    if (!folders.has(folder)) {
      return [
        `${test}: ${folder ? `the product has no folder ${folder}` : "tests stand in folders"}`,
      ];
    }
    const module = `${nameOf(test).slice(0, -"_test.ts".length)}.ts`;
    if (modules.includes(`${folder}/${module}`)) return [];
    const below = modules.find((file) => file.startsWith(`${folder}/`) && nameOf(file) === module);
    return below === undefined ? [] : [`${test}: ${below} is tested in tests/${folderOf(below)}/`];
  });
}

/** `a/b/c.ts` stands in `a/b` and in `a`. */
function foldersAbove(file: string): string[] {
  const names = file.split("/").slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

/** Files below a folder, as paths in the project. */
function* filesBelow(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesBelow(path);
    else yield path;
  }
}

if (import.meta.main) {
  const problems = misplacedTests(["tests", ...productFolders].flatMap((folder) => [
    ...filesBelow(folder),
  ]));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
}
