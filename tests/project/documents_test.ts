/** The files that documents speak of are there. */
import assert from "node:assert/strict";

const documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
for (const { name } of Deno.readDirSync("docs")) {
  if (name.endsWith(".md")) documents.push(`docs/${name}`);
}

/** Paths in the project; those with a NAME in capitals or a star stand for many. */
const path =
  /`((?:base|bench|cli|data|diffusion|docs|evaluation|formats|kernels|metrics|models|nn|tests|tools|training)\/[a-z0-9_./-]+)`/g;

for (const document of documents) {
  Deno.test(`${document} speaks of files that are there`, async () => {
    const text = await Deno.readTextFile(document);
    for (const [, file] of text.matchAll(path)) {
      const found = await Deno.stat(file).then(() => true, () => false);
      assert(found, `${document}: ${file}`);
    }
  });
}
