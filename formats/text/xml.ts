/**
 * Text inside XML and HTML documents.
 *
 * @module
 */

/** Text made safe for an attribute or element; control characters, which XML forbids, go. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  // deno-lint-ignore no-control-regex
  return text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "").toWellFormed()
    .replace(/[&<>"]/g, (character) => entities[character]);
}
