/**
 * How much the tests of crashes, damaged files and long runs do: enough for every run of the suite,
 * or, for `deno task soak`, as much as a night allows.
 *
 * @module
 */

/** Whether `deno task soak` is running. */
export const soaking: boolean = Deno.env.get("TESSERA_SOAK") === "1";

/** A number of repetitions. */
export const scale = (usual: number, inSoak: number): number => soaking ? inSoak : usual;
