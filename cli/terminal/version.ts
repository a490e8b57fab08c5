/**
 * Which Tessera this is, on which Deno, and whether that Deno is new enough.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import { repositoryFile } from "./assets.ts";

/**
 * The oldest Deno that works: earlier ones lose data in WebGPU's mapped ranges and `writeBuffer`.
 */
const minimumDeno = "2.9.5";

/** The Deno that the project is tested with, and that its messages tell people to install. */
const testedDeno = "2.9.6";

/** What `tessera --version` prints. */
export interface Versions {
  readonly tessera: string;
  /** The commit of the checkout; undefined in a compiled binary or without git. */
  readonly commit?: string;
  readonly deno: string;
  readonly v8: string;
  readonly typescript: string;
}

/** The versions of this process. */
export function versions(): Versions {
  const { deno, v8, typescript } = Deno.version;
  return { tessera: config.version, commit: currentCommit(), deno, v8, typescript };
}

/** Versions as people read them, one a line. */
export function describeVersions({ tessera, commit, deno, v8, typescript }: Versions): string {
  const source = commit ? ` (commit ${commit.slice(0, 12)})` : "";
  return `tessera ${tessera}${source}\ndeno ${deno}\nv8 ${v8}\ntypescript ${typescript}`;
}

/** Whether version `a` is older than `b`; both are `major.minor.patch`, anything after is ignored. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => text.split(/[.+-]/).slice(0, 3).map(Number));
  const differing = left.findIndex((part, index) => part !== right[index]);
  return differing >= 0 && left[differing] < right[differing];
}

/** Why this Deno cannot run Tessera; undefined when it can. */
export function denoProblem(version: string = Deno.version.deno): string | undefined {
  if (!isOlder(version, minimumDeno)) return undefined;
  return `needs Deno ${minimumDeno} or newer, this is ${version}; ` +
    `npx --yes deno@${testedDeno} runs a newer one`;
}

/** The commit that is checked out, read from git's files (no subprocess, so no permission to run). */
function currentCommit(): string | undefined {
  const head = repositoryFile(".git/HEAD")?.trim();
  const reference = head?.match(/^ref: (refs\/[\w./-]+)$/)?.[1];
  if (!reference) return head?.match(/^[0-9a-f]{40}$/)?.[0];
  const loose = repositoryFile(`.git/${reference}`)?.trim();
  if (loose) return loose;
  const packed = repositoryFile(".git/packed-refs") ?? "";
  return packed.split("\n").find((line) => line.endsWith(` ${reference}`))?.slice(0, 40);
}
