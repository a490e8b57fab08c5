/**
 * Makes a folder of labelled colour pictures, `<class>/<name>.webp`, from Microsoft's Fluent emoji as
 * npm's package `@lobehub/fluent-emoji-3d` has them (MIT, 256 x 256 pixels with transparency), with the
 * names and kinds of `emoji-datasource-google`, neither of which need be installed:
 *
 *     npm pack @lobehub/fluent-emoji-3d@1.1.0 emoji-datasource-google@16.0.0
 *     mkdir /tmp/fluent /tmp/names
 *     tar -xzf lobehub-fluent-emoji-3d-1.1.0.tgz -C /tmp/fluent --strip-components=1
 *     tar -xzf emoji-datasource-google-16.0.0.tgz -C /tmp/names --strip-components=1
 *     deno run --allow-read --allow-write --allow-env tools/prepare_emoji.ts emoji /tmp/fluent /tmp/names
 *
 * Every picture is taken as it is. People and hands come in all tones of skin.
 *
 * @module
 */

import { join } from "@std/path";
import { writeBytesAtomically } from "../formats/files/atomic_file.ts";

/** Subcategories by class. */
const classes: Readonly<Record<string, RegExp>> = {
  animals: /^animal-|^(?:cat|monkey)-face$/,
  buildings: /^place-(?:building|religious)$/,
  faces: /^face-/,
  flags: /^country-flag$/,
  food: /^food-(?:asian|prepared|sweet)$/,
  fruit: /^food-(?:fruit|vegetable)$/,
  hands: /^hands?(?:-|$)/,
  hearts: /^heart$/,
  people: /^person-role$/,
  plants: /^plant-/,
  vehicles: /^transport-(?:air|ground|water)$/,
};

/** What is read of an entry of `emoji.json`. */
interface Emoji {
  /** Code points, hexadecimal, with "-" between them. */
  readonly unified: string;
  readonly non_qualified: string | null;
  readonly short_name: string;
  readonly subcategory: string;
  readonly skin_variations?: Readonly<Record<string, Emoji>>;
}

/** The bytes of an emoji's picture, whose file has one of the names of its code points. */
async function readPicture(fluent: string, emoji: Emoji): Promise<Uint8Array | undefined> {
  const code = emoji.unified.toLowerCase();
  const names = [code, code.replaceAll("-fe0f", ""), emoji.non_qualified?.toLowerCase() ?? code];
  for (const name of names) {
    const bytes = await Deno.readFile(join(fluent, "assets", `${name}.webp`)).catch(() =>
      undefined
    );
    if (bytes) return bytes;
  }
  return undefined;
}

const [target, fluent, names] = Deno.args;
if (Deno.args.length !== 3) {
  console.error("usage: prepare_emoji.ts OUT FLUENT_PACKAGE NAMES_PACKAGE");
  Deno.exit(2);
}
const emojis: Emoji[] = JSON.parse(await Deno.readTextFile(join(names, "emoji.json")));
for (const [className, subcategories] of Object.entries(classes)) {
  await Deno.mkdir(join(target, className), { recursive: true });
  let count = 0;
  for (const emoji of emojis.filter(({ subcategory }) => subcategories.test(subcategory))) {
    const tones = Object.entries(emoji.skin_variations ?? {});
    for (const [tone, variant] of [["", emoji] as const, ...tones]) {
      const bytes = await readPicture(fluent, variant);
      if (!bytes) continue;
      const name = tone ? `${emoji.short_name}-${tone.toLowerCase()}` : emoji.short_name;
      await writeBytesAtomically(join(target, className, `${name}.webp`), bytes);
      count++;
    }
  }
  console.log(`${className}: ${count}`);
}
