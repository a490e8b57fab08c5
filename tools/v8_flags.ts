/**
 * The flags of V8 that the tool starts with, as the tasks have them: V8's revectorizer makes 256-bit
 * vectors of pairs of 128-bit ones, which it can only do where accesses are not checked one by one.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };

const { tessera, "tessera:safe": safe } = config.tasks;

/** Those of `deno task tessera`, separated by commas. */
export const fastFlags = /--v8-flags=([^ $]+)/.exec(tessera.command)![1];

/** Those of `deno task tessera:safe`, which turn the others off. */
export const safeFlags = /TESSERA_SAFE=,([^ ]+)/.exec(safe.command)![1];
