/**
 * Doing the same to many things, some of them at the same time.
 *
 * @module
 */

/** Calls `body` with 0 .. count - 1 in order, at most `limit` at a time; the first error ends it. */
export async function forEachIndex(
  count: number,
  limit: number,
  body: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await body(next++);
  };
  await Promise.all(Array.from({ length: Math.min(limit, count) }, lane)).catch((error) => {
    next = count;
    throw error;
  });
}
