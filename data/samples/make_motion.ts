/**
 * Rebuilds `data/samples/motion/` from the animations of npm's packages
 * `@lobehub/fluent-emoji-anim-1` and `-3`: some of each kind, 17 frames of 32 x 32 pixels at 8 frames a
 * second, on white, as lossless WebP.
 *
 * Usage, from the project's folder: make_motion.ts FOLDER... with the unpacked packages; the README.md
 * of the target has the exact commands.
 *
 * @module
 */

import { join } from "@std/path";
import { writeBytesAtomically } from "../../formats/files/atomic_file.ts";
import { encodeWebp } from "../../formats/video/animated_webp.ts";
import { openClips } from "../clips/open_clips.ts";

const target = "data/samples/motion";

/** What is taken, by class: the name of the file here, and the code point that it has there. */
const chosen: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  birds: {
    ...{ rooster: "1f413", hen: "1f414", "hatching-chick": "1f423", chick: "1f424" },
    ...{ "front-facing-chick": "1f425", bird: "1f426", duck: "1f986", parrot: "1f99c" },
  },
  bugs: {
    ...{ caterpillar: "1f41b", ant: "1f41c", bee: "1f41d", ladybug: "1f41e" },
    ...{ scorpion: "1f982", butterfly: "1f98b", cricket: "1f997", mosquito: "1f99f" },
  },
  "cat-faces": {
    ...{ grinning: "1f638", laughing: "1f639", smiling: "1f63a", "in-love": "1f63b" },
    ...{ smirking: "1f63c", kissing: "1f63d", crying: "1f63f", weary: "1f640" },
  },
  faces: {
    ...{ angry: "1f620", crying: "1f622", sobbing: "1f62d", "open-mouth": "1f62e" },
    ...{ sleeping: "1f634", smiling: "1f642", "upside-down": "1f643", rolling: "1f923" },
  },
  hands: {
    ...{ fist: "1f44a", waving: "1f44b", ok: "1f44c", "thumb-up": "1f44d" },
    ...{ "thumb-down": "1f44e", pinching: "1f90f", "call-me": "1f919", raised: "1f91a" },
  },
  mammals: {
    ...{ cow: "1f404", tiger: "1f405", cat: "1f408", horse: "1f40e" },
    ...{ dog: "1f415", elephant: "1f418", giraffe: "1f992", zebra: "1f993" },
  },
  sea: {
    ...{ whale: "1f40b", octopus: "1f419", fish: "1f41f", "tropical-fish": "1f420" },
    ...{ dolphin: "1f42c", "spouting-whale": "1f433", crab: "1f980", shark: "1f988" },
  },
  sky: {
    ...{ rainbow: "1f308", moon: "1f31d", sun: "1f31e", star: "1f31f" },
    ...{ "shooting-star": "1f320", "sun-behind-cloud": "1f324-fe0f", rain: "1f327-fe0f" },
    ...{ tornado: "1f32a-fe0f" },
  },
  sports: {
    ...{ running: "1f3c3", surfing: "1f3c4", swimming: "1f3ca", "lifting-weights": "1f3cb-fe0f" },
    ...{ golf: "1f3cc-fe0f", cycling: "1f6b4", cartwheel: "1f938", handball: "1f93e" },
  },
  vehicles: {
    ...{ bus: "1f68c", minibus: "1f690", ambulance: "1f691", "fire-engine": "1f692" },
    ...{ "police-car": "1f693", taxi: "1f695", jeep: "1f699", van: "1f69a" },
  },
};

/** Writes a clip of the package's animation. */
async function makeClip(packages: readonly string[], code: string, file: string): Promise<void> {
  const sources = packages.map((folder) => join(folder, "assets", `${code}.webp`));
  const there = await Promise.all(sources.map((path) => Deno.stat(path).catch(() => undefined)));
  const source = sources.find((_, index) => there[index]);
  if (!source) throw new Error(`no ${code}.webp in ${packages.join(" or ")}`);
  const size = { width: 32, height: 32 };
  const clips = await openClips(source, { frames: 17, fps: 8, size });
  await writeBytesAtomically(file, await encodeWebp(await clips.decode(0)));
}

for (const [className, files] of Object.entries(chosen)) {
  await Deno.mkdir(join(target, className), { recursive: true });
  for (const [name, code] of Object.entries(files)) {
    await makeClip(Deno.args, code, join(target, className, `${name}.webp`));
  }
}
