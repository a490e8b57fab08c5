/**
 * Files that people take for safetensors, recognized by how they start, and what helps.
 *
 * @module
 */
import { basename } from "@std/path";

/** So many bytes from the start tell the formats apart. */
export const startLength = 512;

/** A format that cannot be read as safetensors. */
interface ForeignFormat {
  /** Whether a file that starts so is of the format; `text` has a character a byte. */
  readonly matches: (text: string, bytes: Uint8Array) => boolean;
  /** What the file is and what to do about it; gets its name and its length in bytes. */
  readonly describe: (name: string, size: number) => string;
}

/** A format by its first characters. */
const magic = (start: string, what: string): ForeignFormat => ({
  matches: (text) => text.startsWith(start),
  describe: () => `${what}, not a safetensors file`,
});

/** How every zip archive with something in it starts. */
const zip = "PK\x03\x04";

/**
 * Whether a file is PyTorch's by how it starts: a zip archive of pickles, or, before version 1.6,
 * pickles of protocol 2 and up.
 */
export function isPyTorch(start: Uint8Array): boolean {
  const text = String.fromCharCode(...start);
  if (text.startsWith(zip)) return !/\.npy/.test(text);
  return start[0] === 0x80 && start[1] >= 2 && start[1] <= 5;
}

const formats: readonly ForeignFormat[] = [
  {
    matches: (text) => text.startsWith("version https://git-lfs.github.com/"),
    describe: (_, size) =>
      `a Git LFS pointer of ${size} bytes in place of the weights; git lfs pull fetches them`,
  },
  {
    matches: (text) => /^\s*<(?:!doctype|html|head|\?xml|body)/i.test(text),
    describe: () =>
      "a web page, not weights: the server sent it in place of the file, perhaps to ask for a " +
      "login; download the file again",
  },
  {
    matches: (text) => text.startsWith(zip) && /\.npy/.test(text),
    describe: () => "a NumPy archive (.npz), not a safetensors file",
  },
  {
    matches: (_, bytes) => isPyTorch(bytes),
    describe: (name) => `a PyTorch file; tessera convert ${name} makes a safetensors file of it`,
  },
  magic("GGUF", "a GGUF file"),
  magic("\x89HDF\r\n", "an HDF5 file"),
  magic("\x93NUMPY", "a NumPy array (.npy)"),
  magic("\x1f\x8b", "a gzip file"),
  magic("\x89PNG\r\n", "a PNG picture"),
  {
    matches: (text) => text.slice(257, 262) === "ustar",
    describe: () => "a tar archive, not a safetensors file",
  },
  {
    matches: (text) => /^\s*\{/.test(text),
    describe: () => "a JSON file, not weights; a model's configuration goes to --config",
  },
];

/** Whether a file starts as safetensors does: a length below 4 GiB, then a JSON object. */
const isSafetensors = (bytes: Uint8Array): boolean =>
  bytes.subarray(4, 8).every((byte) => byte === 0) && bytes[8] === 0x7b;

/**
 * What a file is instead of safetensors, and what helps; undefined for safetensors and for what is
 * not known.
 *
 * @param path names the file in advice
 * @param start its first {@link startLength} bytes, or all if there are fewer
 * @param size its length in bytes
 */
export function foreignFormat(path: string, start: Uint8Array, size: number): string | undefined {
  if (isSafetensors(start)) return undefined;
  const text = String.fromCharCode(...start);
  const format = formats.find(({ matches }) => matches(text, start));
  return format?.describe(basename(path), size);
}
