/**
 * Flags that every `tessera train` command has. Names and meanings are DiT's where it has the flag.
 *
 * @module
 */
import { UsageError } from "../terminal/errors.ts";
import {
  changeable,
  flag,
  type Flags,
  group,
  optional,
  resumable,
  toggle,
  type Values,
} from "./flags.ts";
import { activationFlags, deviceFlags, profileFlags, progressFlags, seedFlags } from "./options.ts";
import { checkpointPlace } from "./checkpoint_place.ts";
import { choice, integer, list, number, text } from "./parsers.ts";

const count = integer({ min: 1 });

/** Defaults that differ from model to model. */
interface TrainDefaults {
  /** How the help shows the default of `--lr`. */
  readonly learningRate: string;
  readonly rateSchedule: "constant" | "cosine" | "rsqrt";
  readonly warmup: number;
  readonly weightDecay: number;
  readonly averageDecay: number;
}

/** What can be changed about a run on its way. */
export const runChanges = ["lr", "optimizer", "data"] as const;

/** One of {@link runChanges}. */
export type RunChangeName = (typeof runChanges)[number];

/** Flags of the optimizer and of the run, with a model's defaults. */
export function trainFlags(defaults: TrainDefaults) {
  return {
    ...group("Training:", {
      ...resumable({
        steps: optional("--steps <n>", "optimizer steps in all; wins over --epochs", count, "2000"),
        epochs: optional("--epochs <n>", "passes over the data", count),
      }),
      accumulate: flag(
        "--accumulate <n>",
        "equal parts a batch is worked through in, to save memory",
        count,
        1,
      ),
      ...activationFlags,
      lossScaling: toggle(
        "--loss-scaling",
        "multiply losses by a power of two that follows the gradients, so that small ones survive f16",
      ),
      ...changeable("lr", {
        lr: optional(
          "--lr <rate>",
          "AdamW learning rate, the highest of the schedule",
          number({ above: 0 }),
          defaults.learningRate,
        ),
        lrSchedule: flag(
          "--lr-schedule <constant|cosine|rsqrt>",
          "how the learning rate goes on after the warm-up; rsqrt is the reciprocal square root",
          choice("constant", "cosine", "rsqrt"),
          defaults.rateSchedule,
        ),
        warmup: flag(
          "--warmup <steps>",
          "steps of linear warm-up",
          integer({ min: 0 }),
          defaults.warmup,
        ),
        lrMin: optional(
          "--lr-min <rate>",
          "learning rate at the end of a cosine",
          number({ min: 0 }),
          "0",
        ),
        lrSteps: optional(
          "--lr-steps <n>",
          "step at which a cosine or a cooldown ends, warm-up included",
          count,
          "all steps of the run",
        ),
        lrTimescale: optional(
          "--lr-timescale <steps>",
          "rsqrt: steps after the warm-up until the rate has fallen to 0.71 of its peak",
          number({ above: 0 }),
          "a tenth of the steps, at most 10,000",
        ),
        lrCooldown: optional(
          "--lr-cooldown <steps>",
          "rsqrt: steps at the end over which the rate falls to 0",
          integer({ min: 0 }),
          "a fifth of the steps",
        ),
      }),
      ...changeable("optimizer", {
        weightDecay: flag(
          "--weight-decay <rate>",
          "AdamW decay",
          number({ min: 0 }),
          defaults.weightDecay,
        ),
        clipGrad: flag(
          "--clip-grad <norm>",
          "largest gradient norm over all parameters; 0 is no limit",
          number({ min: 0 }),
          1,
        ),
        emaDecay: flag(
          "--ema-decay <rate>",
          "decay of the averaged weights, warmed up over short runs",
          number({ min: 0, max: 1 }),
          defaults.averageDecay,
        ),
      }),
    }),
    ...seedFlags,
    ...group("Run:", {
      ...resumable({
        resultsDir: flag("--results-dir <folder>", "where run folders are made", text, "results"),
        ckptEvery: flag("--ckpt-every <steps>", "steps between checkpoints", count, 500),
        keep: flag("--keep <n>", "checkpoints to keep", count, 3),
        logEvery: flag("--log-every <steps>", "steps between read-backs of the loss", count, 20),
        resume: optional(
          "--resume <run|auto>",
          "go on with a run folder, everything included; auto takes the newest",
          checkpointPlace,
        ),
        allowChanges: optional(
          `--allow-changes <${runChanges.join(",")}>`,
          "what a resumed run may change: learning rate and its schedule, other flags of the " +
            "optimizer, the pictures; the checkpoints say what and when",
          list(choice(...runChanges)),
        ),
        dryRun: toggle("--dry-run", "print parameters, operations and memory, and stop"),
      }),
      fork: optional(
        "--fork <ckpt>",
        "go on from a checkpoint, its optimizer included, in a new run folder; flags may change " +
          "what --allow-changes names",
        checkpointPlace,
      ),
      initFrom: optional(
        "--init-from <ckpt>",
        "start from the weights only of a run, a checkpoint, a file or shipped:NAME",
        checkpointPlace,
      ),
    }),
    ...deviceFlags,
    ...profileFlags,
    ...progressFlags,
  };
}

/** How often a run draws, for families that do; `what` begins the line of the help. */
export const sampleEveryFlag = (what: string) =>
  optional(
    "--sample-every <steps>",
    `${what} by the averaged weights into samples/; 0 is never`,
    integer({ min: 0 }),
    "never",
  );

/** How often a run is evaluated, for families that are; `what` is the line of the help. */
export const evalEveryFlag = (what: string) =>
  optional("--eval-every <steps>", `${what}; 0 is never`, integer({ min: 0 }), "never");

/** The flags that every `train` command has, whatever their defaults are. */
export type CommonTrainFlags = ReturnType<typeof trainFlags>;

/**
 * Refuses what was given together with `--resume` or `--fork` and is not for a run that goes on.
 *
 * @throws UsageError that names the first such flag
 */
export function requireResumable(
  flags: Flags,
  { values, given }: { readonly values: Values<GoingOnFlags>; readonly given: ReadonlySet<string> },
): void {
  if (values.resume === undefined && given.has("allowChanges")) {
    throw new UsageError("--allow-changes is for --resume; --fork takes all of these changes");
  }
  const goesOn = goingOnFlags.find((name) => given.has(name));
  if (goesOn === undefined) return;
  const allowed: readonly string[] = allowedChanges(values);
  const refused = [...given].find((name) => {
    const { resumable, change } = flags[name];
    return name !== goesOn && !resumable && !(change && allowed.includes(change));
  });
  if (refused === undefined) return;
  const { change } = flags[refused];
  const wayOut = change
    ? `--allow-changes ${change} changes it from here on, --fork does so in a new run`
    : "use --init-from to start a new run from its weights";
  throw new UsageError(
    `${flagName(goesOn)} goes on with the settings of the run, so ${flagName(refused)} cannot be ` +
      `given; ${wayOut}`,
  );
}

/** Flags under which a run goes on. */
const goingOnFlags = ["resume", "fork"] as const;

type GoingOnFlags = Pick<CommonTrainFlags, "resume" | "fork" | "allowChanges">;

/** What a run that goes on may change: a fork all, a resumed run what was allowed. */
export function allowedChanges(
  { fork, allowChanges = [] }: Pick<Values<GoingOnFlags>, "fork" | "allowChanges">,
): readonly RunChangeName[] {
  return fork === undefined ? allowChanges : runChanges;
}

/** How the flag of a value is written. */
export function flagName(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
