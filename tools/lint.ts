/**
 * Lint rules of this project: what `deno compile` and lazy start-up need, and the order of folders.
 *
 * - `tessera/literal-import`: the argument of `import()` is a string literal, or the binary lacks it.
 * - `tessera/module-relative`: nothing is found relative to a module, except workers written as
 *   `new Worker(new URL("./x.ts", import.meta.url))` and files that `cli/terminal/assets.ts` embeds, written
 *   as `new URL("./x.bin", import.meta.url)`.
 * - `tessera/lazy-package`: packages with native code or a long start are only loaded on use.
 * - `tessera/real-citation`: papers are cited by their own sections, equations and tables.
 * - `tessera/folder-order`: imports point down the list of folders.
 * - `tessera/error-class`: a wrong argument is a RangeError, whatever is wrong with it.
 * - `tessera/private-name`: what is private is so at run time too.
 * - `tessera/device-name`: devices are named in their table and in their own rooms only.
 *
 * Tests, tools and the scripts of `bench/peers/` never enter the binary: only the last rule is for
 * product folders too, the others leave them alone.
 *
 * @module
 */
import { dirname, relative, resolve } from "@std/path";
import { deviceNames } from "../kernels/devices.ts";
import { isEmbedded } from "../cli/terminal/assets.ts";

/** Product folders, from the top: a file may import from its own folder and from those below. */
export const productFolders = [
  "cli",
  "bench",
  "models",
  "evaluation",
  "training",
  "metrics",
  "diffusion",
  "data",
  "nn",
  "formats",
  "kernels",
  "base",
];

/** The one file that may look for files beside the source. */
const assets = "cli/terminal/assets.ts";

/** Packages that must be loaded by `await import()` inside the function that needs them. */
const lazyPackages = ["sharp", "vega", "vega-lite", "mp4-muxer"];

/** Where devices may be named: in their table, and each in the room that has its name. */
const deviceTable = "kernels/devices.ts";
const deviceRooms = deviceNames.map((name) => `kernels/${name}/`);

const root = resolve(import.meta.dirname!, "..");

/** The path of a file inside the project, with forward slashes. */
function projectPath(file: string): string {
  return relative(root, file).replaceAll("\\", "/");
}

/** The product folder that a project path belongs to; undefined for tests, tools and the like. */
function productFolder(path: string): string | undefined {
  if (path.startsWith("bench/peers/")) return undefined;
  const folder = path.split("/", 1)[0];
  return productFolders.includes(folder) || path === "mod.ts" ? folder : undefined;
}

/** Why `file` must not import `specifier`; undefined when it may. Both are project paths. */
function folderProblem(file: string, target: string): string | undefined {
  const from = productFolders.indexOf(productFolder(file) ?? "");
  const to = productFolders.indexOf(target.split("/", 1)[0]);
  if (from < 0 || target === "deno.json") return undefined;
  if (to < 0) return `${productFolders[from]}/ may not import ${target}: it is outside the product`;
  if (to >= from) return undefined;
  return `${productFolders[from]}/ may not import from ${
    productFolders[to]
  }/, which stands above it`;
}

/**
 * Whether `import.meta.url` stands in `new Worker(new URL("./x.ts", import.meta.url), ...)`, or in
 * `new URL("./x.bin", import.meta.url)` of a file that is embedded.
 */
function isKnownAddress(meta: Deno.lint.MetaProperty, filename: string): boolean {
  const member = meta.parent;
  const url = member.type === "MemberExpression" ? member.parent : undefined;
  if (url?.type !== "NewExpression" || !isNamed(url.callee, "URL")) return false;
  const path = url.arguments[0];
  if (path?.type !== "Literal" || typeof path.value !== "string") return false;
  if (!/^\.{1,2}\//.test(path.value)) return false;
  const target = projectPath(resolve(dirname(filename), path.value));
  if (isEmbedded(target)) return true;
  const worker = url.parent;
  return target.endsWith(".ts") && worker.type === "NewExpression" &&
    isNamed(worker.callee, "Worker");
}

function isNamed(node: Deno.lint.Expression, name: string): boolean {
  return node.type === "Identifier" && node.name === name;
}

function literalImport(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  if (!productFolder(projectPath(context.filename))) return {};
  return {
    ImportExpression(node) {
      if (node.source.type === "Literal" && typeof node.source.value === "string") return;
      context.report({
        node,
        message: "import() needs a string literal: deno compile cannot follow anything else",
      });
    },
  };
}

function moduleRelative(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const path = projectPath(context.filename);
  if (!productFolder(path) || path === assets) return {};
  return {
    MetaProperty(node) {
      const member = node.parent;
      const property = member.type === "MemberExpression" && member.property.type === "Identifier"
        ? member.property.name
        : "";
      if (property === "main" || (property === "url" && isKnownAddress(node, context.filename))) {
        return;
      }
      context.report({
        node,
        message: "files beside the source are not in the compiled binary",
        hint: `read it through ${assets}, or write new Worker(new URL("./x.ts", import.meta.url))`,
      });
    },
  };
}

function lazyPackage(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  if (!productFolder(projectPath(context.filename))) return {};
  return {
    ImportDeclaration(node) {
      if (node.importKind === "type" || !lazyPackages.includes(node.source.value)) return;
      context.report({
        node,
        message: `${node.source.value} is loaded with "await import" where it is used`,
        hint: "import type is fine",
      });
    },
  };
}

function folderOrder(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const file = projectPath(context.filename);
  const check = (node: Deno.lint.Node, source: Deno.lint.Node | null) => {
    if (source?.type !== "Literal" || typeof source.value !== "string") return;
    if (!source.value.startsWith(".")) return;
    const target = projectPath(resolve(dirname(context.filename), source.value));
    const message = folderProblem(file, target);
    if (message) context.report({ node, message });
  };
  return {
    ImportDeclaration: (node) => check(node, node.source),
    ExportNamedDeclaration: (node) => check(node, node.source),
    ExportAllDeclaration: (node) => check(node, node.source),
    ImportExpression: (node) => check(node, node.source),
  };
}

/** Everything else asks the record of a device (`DeviceKind`), so that another one may come. */
function deviceName(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const path = projectPath(context.filename);
  const home = path === deviceTable || deviceRooms.some((room) => path.startsWith(room));
  if (!productFolder(path) || home) return {};
  return {
    Literal(node) {
      if (!(deviceNames as readonly unknown[]).includes(node.value)) return;
      context.report({
        node,
        message: `a device is named here; ask for what matters of it (DeviceKind)`,
        hint: `names stand in ${deviceTable} and in the rooms of the devices`,
      });
    },
  };
}

/** One class for the caller's mistakes, another for the user's (CONTRIBUTING.md, "Errors"). */
function errorClass(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  if (!productFolder(projectPath(context.filename))) return {};
  return {
    NewExpression(node) {
      if (!isNamed(node.callee, "TypeError")) return;
      context.report({
        node,
        message: "a wrong argument is a RangeError, whatever is wrong with it",
        hint: "InputError is for what the user gave: files, flags, configurations",
      });
    },
  };
}

/** `private` ends with the types; only a constructor has no other word. */
function privateName(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const check = (node: Deno.lint.Node) => {
    // Deno gives parameters the accessibility of their constructor, so the text is looked at.
    if (!/^private (?!constructor\b)/.test(context.sourceCode.getText(node))) return;
    context.report({ node, message: "private members are written #name" });
  };
  return { PropertyDefinition: check, MethodDefinition: check, TSParameterProperty: check };
}

/** Citations that lead nowhere: a document outside of the repository, or its numbers for a paper. */
const unreal = /papers(?:\.md| \d+\.\d)|\((?:DiT|NaViT|W\.A\.L\.T|MAGVIT-v2), \d+\.\d+/g;

function realCitation(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  return {
    Program() {
      const { text } = context.sourceCode;
      for (const { index, 0: citation } of text.matchAll(unreal)) {
        context.report({
          range: [index, index + citation.length],
          message: `"${citation}" leads nowhere`,
          hint: 'cite the paper\'s own section, equation or table: "(DiT, section 3.2)"',
        });
      }
    },
  };
}

/** The rules, as `deno lint` loads them. */
const plugin: Deno.lint.Plugin = {
  name: "tessera",
  rules: {
    "literal-import": { create: literalImport },
    "module-relative": { create: moduleRelative },
    "lazy-package": { create: lazyPackage },
    "real-citation": { create: realCitation },
    "folder-order": { create: folderOrder },
    "error-class": { create: errorClass },
    "private-name": { create: privateName },
    "device-name": { create: deviceName },
  },
};

export default plugin;
