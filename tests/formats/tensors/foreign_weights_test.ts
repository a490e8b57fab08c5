/** Files that are taken for safetensors: each is called what it is, with what helps. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { openSafetensors } from "../../../formats/tensors/safetensors.ts";
import { withFolder } from "../../cli/runs.ts";

const text = (value: string) => new TextEncoder().encode(value);
const bytes = (start: readonly number[], rest = "") => Uint8Array.of(...start, ...text(rest));
const padding = " ".repeat(300);

const cases: readonly [name: string, contents: Uint8Array<ArrayBuffer>, message: RegExp][] = [
  [
    "model.pt",
    bytes([0x50, 0x4b, 3, 4], "archive/data.pkl"),
    /model\.pt: a PyTorch file; tessera convert model\.pt makes a safetensors file of it$/,
  ],
  ["old.pth", bytes([0x80, 2, 0x8a, 10], padding), /old\.pth: a PyTorch file; tessera convert/],
  ["x.npz", bytes([0x50, 0x4b, 3, 4], "     arr_0.npy"), /a NumPy archive \(\.npz\), not/],
  ["x.npy", bytes([0x93], `NUMPY${padding}`), /a NumPy array \(\.npy\), not a safetensors file$/],
  ["x.gguf", text(`GGUF${padding}`), /a GGUF file, not/],
  ["x.h5", bytes([0x89], "HDF\r\n     "), /an HDF5 file, not/],
  ["x.gz", bytes([0x1f, 0x8b, 8, 0, 9, 9, 9, 9, 9]), /a gzip file, not/],
  ["x.png", bytes([0x89], "PNG\r\n     "), /a PNG picture, not/],
  ["x.tar", text(`${"x".repeat(257)}ustar`), /a tar archive, not/],
  [
    "pointer.safetensors",
    text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"),
    /a Git LFS pointer of 65 bytes in place of the weights; git lfs pull fetches them$/,
  ],
  ["page.safetensors", text("<!DOCTYPE html>\n<html>"), /a web page, not weights: .*download/],
  ["login.safetensors", text("\n <HTML lang='en'>"), /a web page, not weights/],
  ["config.safetensors", text('{"family": "dit"}'), /a JSON file, not weights; .* --config$/],
];

Deno.test("a file in another format is called by its name", async () => {
  await withFolder(async (folder) => {
    for (const [name, contents, message] of cases) {
      const path = join(folder, name);
      await Deno.writeFile(path, contents);
      await assert.rejects(openSafetensors(path), (error: Error) => {
        assert.equal(error.name, "InputError");
        assert.match(error.message, message);
        assert(error.message.startsWith(`${path}: `));
        return true;
      });
    }
  });
});

Deno.test("what is no known format is still told apart by its header", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "noise");
    await Deno.writeFile(path, new Uint8Array(64).fill(0xab));
    await assert.rejects(openSafetensors(path), /header length .* is over the limit/);
  });
});
