import assert from "node:assert/strict";
import { join } from "@std/path";
import { decodePicture, readPictureSize } from "../../../data/pictures/picture.ts";
import { PicturePool } from "../../../data/pictures/pool.ts";
import { makePipe } from "../../crash/libc.ts";
import { assertInputError, withFolder } from "../../formats/helpers.ts";
import { damagePixels, paint } from "../helpers.ts";

/** A JPEG or TIFF of 32 x 24 pixels. */
async function encoded(format: "jpeg" | "tiff"): Promise<Uint8Array<ArrayBuffer>> {
  const { default: sharp } = await import("sharp");
  const create = { width: 32, height: 24, channels: 3 as const, background: "#336699" };
  return new Uint8Array(await sharp({ create }).toFormat(format).toBuffer());
}

/** Where a marker of a JPEG starts. */
function markerAt(bytes: Uint8Array, marker: number): number {
  return bytes.findIndex((byte, at) => byte === 0xff && bytes[at + 1] === marker);
}

/** Two bytes that belong to nothing before the quantization table. */
function withExtraBytes(jpeg: Uint8Array): Uint8Array {
  const at = markerAt(jpeg, 0xdb);
  return Uint8Array.from([...jpeg.subarray(0, at), 0, 0, ...jpeg.subarray(at)]);
}

/** A scan header as phones write it: the end of the spectrum is not 63. */
function withPhoneScan(jpeg: Uint8Array): Uint8Array {
  const at = markerAt(jpeg, 0xda);
  return jpeg.with(at + 2 + jpeg[at + 3] - 2, 0);
}

/** Revision 0.00 of JFIF. */
function withoutRevision(jpeg: Uint8Array): Uint8Array {
  return jpeg.with(11, 0).with(12, 0);
}

/** The first two entries of the directory of a little-endian TIFF in the other order. */
function withUnsortedTags(tiff: Uint8Array): Uint8Array {
  const entries = new DataView(tiff.buffer).getUint32(4, true) + 2;
  const swapped = tiff.slice();
  swapped.set(tiff.subarray(entries + 12, entries + 24), entries);
  swapped.set(tiff.subarray(entries, entries + 12), entries + 12);
  return swapped;
}

Deno.test("pictures: what decoders only warn of is read, what is cut off is not", async () => {
  const [jpeg, tiff] = [await encoded("jpeg"), await encoded("tiff")];
  const expected = await decodePicture(jpeg, "fine.jpg");
  for (const change of [withExtraBytes, withPhoneScan, withoutRevision]) {
    assert.deepEqual(await decodePicture(change(jpeg), change.name), expected);
  }
  const unsorted = withUnsortedTags(tiff);
  assert.deepEqual(await decodePicture(unsorted, "x"), await decodePicture(tiff, "fine.tif"));
  for (const whole of [jpeg, tiff]) {
    const cut = whole.subarray(0, whole.length - 100);
    await assertInputError(decodePicture(cut, "cut"), "cut", /cannot be decoded as a picture/);
  }
});

Deno.test("pictures: the reason is that of the picture, whatever else is decoded", async () => {
  await withFolder(async (folder) => {
    const png = join(folder, "damaged.png");
    await paint(png, 1, 40, 40);
    await damagePixels(png);
    const jpeg = await encoded("jpeg");
    const files = {
      "cut.jpg": jpeg.subarray(0, jpeg.length - 100),
      "page.jpg": new TextEncoder().encode("<html>"),
      "head.png": (await Deno.readFile(png)).subarray(0, 30),
      "warned.jpg": withoutRevision(jpeg),
    };
    for (const [name, bytes] of Object.entries(files)) {
      await Deno.writeFile(join(folder, name), bytes);
    }
    const reasons = {
      "cut.jpg": /picture: Input file has corrupt header: VipsJpeg: premature end of JPEG image$/,
      "page.jpg": /picture: Input file contains unsupported image format$/,
      "head.png": /picture: Input file has corrupt header$/,
      "damaged.png": /picture: vipspng: libpng read error$/,
    };
    const names = Array.from({ length: 4 }, () => [...Object.keys(reasons), "warned.jpg"]).flat();
    const decode = async (name: string) => {
      const path = join(folder, name);
      if (name === "warned.jpg") return void await decodePicture(path, path);
      await assertInputError(
        decodePicture(path, path),
        path,
        reasons[name as keyof typeof reasons],
      );
    };
    await Promise.all(names.slice(0, 16).map(decode));
    // The same from threads that share their turns.
    const pool = new PicturePool(3);
    const damaged = Object.entries(reasons);
    const jobs = Array.from({ length: 24 }, async (_, index) => {
      const [name, reason] = damaged[index % damaged.length];
      const path = join(folder, name);
      await assertInputError(pool.crop({ path, imageSize: 4, channels: 3 }), path, reason);
    });
    await Promise.all(jobs).finally(() => pool.close());
  });
});

Deno.test("pictures: a picture that takes too long is named, others go on", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "slow.svg");
    const filters = '<feTurbulence numOctaves="900"/><feMorphology radius="99"/>'.repeat(9);
    await Deno.writeTextFile(
      path,
      '<svg xmlns="http://www.w3.org/2000/svg" width="500" height="500">' +
        `<filter id="f">${filters}</filter><rect width="500" height="500" filter="url(#f)"/></svg>`,
    );
    assert.deepEqual(await readPictureSize(path, path), { width: 500, height: 500 });
    const slow = decodePicture(path, path, 1);
    await paint(join(folder, "fine.png"), 1);
    await decodePicture(join(folder, "fine.png"), "fine.png");
    await assertInputError(slow, path, /cannot be decoded as a picture: takes longer than 1 s$/);
  });
});

Deno.test({
  name: "pictures: only regular files are opened",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await withFolder(async (folder) => {
      const pipe = join(folder, "p.png");
      makePipe(pipe);
      await assertInputError(decodePicture(pipe, pipe), pipe, /not a regular file$/);
      await assertInputError(readPictureSize(pipe, pipe), pipe, /not a regular file$/);
      await assertInputError(decodePicture(folder, folder), folder, /not a regular file$/);
      const pool = new PicturePool(1);
      const job = { path: pipe, imageSize: 4, channels: 3 };
      await assertInputError(pool.crop(job), pipe, /not a regular file$/);
      pool.close();
    });
  },
});
