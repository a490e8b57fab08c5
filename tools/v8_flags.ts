/**
 * The flags that the tool starts with, as the tasks have them. Those of V8: its revectorizer makes
 * 256-bit vectors of pairs of 128-bit ones, which it can only do where accesses are not checked one by
 * one.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };

const { tessera, "tessera:safe": safe } = config.tasks;

/** Those of `deno task tessera`, separated by commas. */
export const fastFlags = /--v8-flags=([^ $]+)/.exec(tessera.command)![1];

/** With it Deno reads the modules that only some commands load when a command loads them. */
export const lazyImports = "--unstable-lazy-dynamic-imports";

/** Those of `deno task tessera:safe`, which turn the others off. */
export const safeFlags = /TESSERA_SAFE=,([^ ]+)/.exec(safe.command)![1];
