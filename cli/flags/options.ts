/**
 * Groups of flags that several subcommands share.
 *
 * @module
 */
import { deviceNames } from "../../kernels/devices.ts";
import { flag, group, optional, resumable, toggle } from "./flags.ts";
import { choice, integer, text } from "./parsers.ts";

/** What `--device` takes. */
export const deviceChoices = ["auto", ...deviceNames] as const;

/** Where the computation runs. */
export const deviceFlags = resumable(group("Device:", {
  device: flag(
    `--device <${deviceChoices.join("|")}>`,
    "where to compute; auto takes a hardware GPU, else WebAssembly",
    choice(...deviceChoices),
    "auto",
  ),
  threads: optional(
    "--threads <n>",
    "worker threads of the wasm device",
    integer({ min: 1, max: 256 }),
    "one a core",
  ),
  strictMath: toggle(
    "--strict-math",
    "no relaxed multiply-add on wasm: the same bits on every processor",
  ),
}));

/** How a GPU keeps what a network hands from one operation to the next. */
export const activationFlags = group("Device:", {
  activations: flag(
    "--activations <f32|f16>",
    "how results of operations are kept; f16 halves their memory, on GPUs with shader-f16",
    choice("f32", "f16"),
    "f32",
  ),
});

/** The seed of everything random. */
export const seedFlags = group("Randomness:", {
  seed: flag(
    "--seed <n>",
    "seed of all random numbers",
    integer({ min: 0, max: 2 ** 32 - 1 }),
    0,
  ),
});

/** What a long run shows while it runs. */
export const progressFlags = resumable(group("Output:", {
  quiet: toggle("-q, --quiet", "no progress, only warnings and errors"),
  logFormat: flag(
    "--log-format <text|json>",
    "how progress is written to stderr; json is one object a line",
    choice("text", "json"),
    "text",
  ),
}));

/** Where the time goes. */
export const profileFlags = resumable(group("Profile:", {
  profile: optional(
    "--profile <file>",
    "write when each thread worked on which step, as a trace for Perfetto, and print a table",
    text,
  ),
}));

/** One JSON document on stdout in place of text. */
export const jsonFlags = group("Output:", {
  json: toggle("--json", "print one JSON document on stdout and nothing else there"),
});

const size = integer({ min: 1, max: 65536 });

/** A transformer described by a file, changed field by field. */
export const transformerFlags = group("Model:", {
  config: optional("--config <file>", "model config as JSON; flags override its fields", text),
  depth: optional("--depth <n>", "transformer blocks", integer({ min: 1, max: 1024 })),
  hidden: optional("--hidden <n>", "width of a token; a multiple of --heads", size),
  heads: optional("--heads <n>", "attention heads", integer({ min: 1, max: 1024 })),
  patch: optional("--patch <n>", "side of a patch, in pixels", size),
  channels: optional("--channels <n>", "channels of the input: 1 grey, 3 RGB", size),
  numClasses: optional("--num-classes <n>", "classes that are told apart", size),
});

/** The flags of {@link transformerFlags} that models of other kinds have nothing for. */
export const transformerShape = [
  "depth",
  "hidden",
  "heads",
  "patch",
  "channels",
  "numClasses",
] as const satisfies readonly (keyof typeof transformerFlags)[];

/** A model that draws pictures, changed field by field. */
export const modelFlags = {
  ...transformerFlags,
  ...group("Model:", {
    channels: optional("--channels <n>", "channels of the input: 1 grey, 3 RGB, 4 latent", size),
    numClasses: optional("--num-classes <n>", "classes, without the null class", size),
    imageSize: optional("--image-size <pixels>", "side of the pictures", size),
  }),
};
