/**
 * How the clips of a run are measured: pictures that move by where they go, animations by the features of a
 * classifier of their frames.
 *
 * @module
 */
import { join } from "@std/path";
import { motionLabel } from "../../data/clips/moving_pictures.ts";
import { openClips } from "../../data/clips/open_clips.ts";
import { writeBytesAtomically } from "../../formats/files/atomic_file.ts";
import { encodePng } from "../../formats/pictures/bitmap.ts";
import { NpzFile } from "../../formats/tensors/npz.ts";
import { framesOf } from "../../formats/video/clip.ts";
import { animationClips, classifierFlags, classifierSteps } from "./studies.ts";
import { type StudySettings, tool, train } from "./tool.ts";

/** Which part of the clips of an archive moves as their classes say, from 0 to 1. */
export async function motionOf(
  _: StudySettings,
  path: string,
): Promise<{ direction: number; speed: number; motion: number }> {
  using file = await NpzFile.open(path);
  const { shape: [count, frames, height, width, channels], data } = await file.read("arr_0");
  const bytes = Uint8Array.from(data, Number);
  const labels = Array.from((await file.read("arr_1")).data, Number);
  const size = bytes.length / count;
  const found = labels.map((_, index) =>
    motionLabel({
      ...{ frames, height, width, channels, fps: 1 },
      data: bytes.subarray(index * size, (index + 1) * size),
    })
  );
  const share = (part: (label: number) => number): number =>
    labels.filter((label, index) => part(label) === part(found[index])).length / count;
  return {
    direction: share((label) => label >> 1),
    speed: share((label) => label & 1),
    motion: share((label) => label),
  };
}

/** The Frechet distance of the clips of an archive from the animations, by features of their classifier. */
export async function distanceOf(
  settings: StudySettings,
  path: string,
): Promise<{ distance: number }> {
  const report = join(settings.folder, "distance.json");
  await tool(
    settings,
    ...["eval", "clips", path, "shipped:motion", "--frames", `${animationClips.frames}`],
    ...["--size", `${animationClips.size}`, "--features", await trainClassifier(settings)],
    ...["--format", "json", "--out", report],
  );
  const { rows } = JSON.parse(await Deno.readTextFile(report));
  const wanted = "Frechet distance of NaViT frame features";
  return { distance: rows.find(({ measure }: { measure: string }) => measure === wanted).value };
}

/** Trains the classifier of the frames of animations, if that is not done; returns its folder. */
async function trainClassifier(settings: StudySettings): Promise<string> {
  const frames = join(settings.folder, "frames");
  await writeFrames(frames);
  return await train(
    settings,
    join(settings.folder, "classifier"),
    "navit",
    classifierSteps,
    ["--data-path", frames, ...classifierFlags],
  );
}

/** Writes all frames of the animations as pictures, one folder a class. */
async function writeFrames(folder: string): Promise<void> {
  if (await Deno.lstat(folder).catch(() => undefined)) return;
  const { frames, size } = animationClips;
  const clips = await openClips("data/samples/motion", {
    ...{ frames, size: { height: size, width: size } },
  });
  const unfinished = `${folder}.tmp`;
  for (const name of clips.classNames) {
    await Deno.mkdir(join(unfinished, name), { recursive: true });
  }
  for (let index = 0; index < clips.length; index++) {
    const inClass = join(unfinished, clips.classNames[clips.label(index)]);
    for (const [frame, picture] of framesOf(await clips.decode(index)).entries()) {
      const path = join(inClass, `${index}-${frame}.png`);
      await writeBytesAtomically(path, await encodePng(picture));
    }
  }
  clips.close();
  await Deno.rename(unfinished, folder);
}
