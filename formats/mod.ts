/**
 * Files: tensors as safetensors, written to a temporary name and renamed when they are whole, and
 * read by name, row by row where wanted. {@link InputError} says what is wrong with a file.
 *
 * @example Write a tensor and read it again
 * ```ts
 * import { openSafetensors, writeSafetensors } from "./mod.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".safetensors" });
 * const bias = { name: "bias", type: "F32", shape: [3], data: () => Float32Array.of(1, 2, 3) } as const;
 * await writeSafetensors(path, [bias]);
 * {
 *   using file = await openSafetensors(path);
 *   if (file.readFloat32("bias").join() !== "1,2,3") throw new Error("other numbers");
 * }
 * await Deno.remove(path);
 * ```
 *
 * @module
 */
export type { Cell, Column } from "./text/table.ts";
export type { Bitmap } from "./pictures/bitmap.ts";
export { type Clip, clipOf, toClips } from "./video/clip.ts";
export { encodeMp4, type Mp4Options } from "./video/mp4_writer.ts";
export { encodeWebp, type WebpOptions } from "./video/animated_webp.ts";
export {
  type ClipFileOptions,
  type ClipFormat,
  clipFormats,
  writeClip,
} from "./video/clip_files.ts";
export { clipSheet, type ClipSheetOptions } from "./video/clip_sheet.ts";
export {
  type FileRecord,
  openSafetensors,
  type StoredType,
  teeSafetensors,
  type TensorData,
  type TensorInfo,
  type TensorLayout,
  type TensorReader,
  type TensorToWrite,
  type WritableType,
  writeSafetensors,
} from "./tensors/safetensors.ts";
export { InputError } from "../base/errors.ts";
