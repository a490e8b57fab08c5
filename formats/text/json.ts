/**
 * What `JSON.parse` does not tell about a text.
 *
 * @module
 */

/** Index of the quote that closes the JSON string opened at `start`. */
function closingQuote(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1);; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

/**
 * Finds a key that occurs twice in one object of a JSON text, which `JSON.parse` would hide.
 *
 * Scans by hand: a regular expression overflows the stack on strings of some megabytes.
 *
 * @param text valid JSON
 */
export function findDuplicateKey(text: string): string | undefined {
  // One entry an open bracket: the keys seen so far, or undefined inside an array.
  const open: (Set<string> | undefined)[] = [];
  const afterString = /\s*:/y;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === "{") open.push(new Set());
    else if (character === "[") open.push(undefined);
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = closingQuote(text, index);
      afterString.lastIndex = end + 1;
      if (afterString.test(text)) {
        const key: string = JSON.parse(text.slice(index, end + 1));
        const keys = open.at(-1);
        if (keys?.has(key)) return key;
        keys?.add(key);
      }
      index = end;
    }
  }
  return undefined;
}
