/**
 * Places for what is written: folders that are made or used, and names that must be free.
 *
 * A folder may be a link to one. A link that leads nowhere, or in a circle, is neither a folder nor a free
 * name, and is told by what it is.
 *
 * @module
 */
import { basename, dirname, isAbsolute, join, relative, resolve } from "@std/path";
import { InputError } from "../../base/errors.ts";

/**
 * Makes a folder and those around it, where they are not there yet.
 *
 * @throws {InputError} when something else has the name of one of them, saying what
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    const problem = await folderProblem(path);
    throw problem === undefined ? error : new InputError(problem, { cause: error });
  }
}

/**
 * Refuses a name that something has, be it a link that leads nowhere.
 *
 * @throws {InputError}
 */
export async function requireFree(path: string): Promise<void> {
  const name = withoutSlash(path);
  const isTaken = await Deno.lstat(name).then(() => true, () => false);
  if (!isTaken) return;
  throw new InputError(`${await linkProblem(name) ?? `${name}: exists already`}; give a new name`);
}

/**
 * Refuses a place in a folder that is read: what is written there would be read as a part of it next time.
 *
 * @throws {InputError}
 */
export async function requireOutside(path: string, source: string): Promise<void> {
  const folder = await Deno.realPath(source).catch(() => undefined);
  if (folder === undefined) return;
  const inside = relative(folder, await realPlace(resolve(path)));
  if (isAbsolute(inside) || /^\.\.(?:[/\\]|$)/.test(inside)) return;
  throw new InputError(`${path}: lies in ${source}, which is read; take a place outside of it`);
}

/** Where a path leads, of which the last parts may not be there yet. */
async function realPlace(path: string): Promise<string> {
  const real = await Deno.realPath(path).catch(() => undefined);
  return real ?? join(await realPlace(dirname(path)), basename(path));
}

/**
 * What is in the way of a folder: the outermost part of its path that is there and no folder.
 *
 * @returns the path of that part and what it is; undefined when there is nothing of the kind
 */
export async function folderProblem(path: string): Promise<string | undefined> {
  for (const part of partsOf(withoutSlash(path))) {
    const found = await Deno.stat(part).catch(() => undefined);
    if (found?.isDirectory) continue;
    return found ? `${part}: is a file, not a folder` : await linkProblem(part);
  }
  return undefined;
}

/** What is wrong with a link that leads to nothing; undefined for all else. */
async function linkProblem(path: string): Promise<string | undefined> {
  try {
    await Deno.stat(path);
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.FilesystemLoop) {
      return `${path}: is a symbolic link that leads in a circle`;
    }
    const target = await Deno.readLink(path).catch(() => undefined);
    if (target === undefined) return undefined;
    return `${path}: is a symbolic link to ${target}, where there is nothing`;
  }
}

/** A link with a slash behind its name is looked through. */
const withoutSlash = (path: string): string => path.replace(/(?<=[^/])\/+$/, "");

/** A path and those of the folders around it, the outermost first. */
function partsOf(path: string): string[] {
  const around = dirname(path);
  return around === path ? [path] : [...partsOf(around), path];
}
