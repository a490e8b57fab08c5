/**
 * Flags of classifier-free guidance along the steps of a sampler, for any family that is guided.
 *
 * @module
 */
import { type GuidanceSchedule, guidanceSchedules } from "../../diffusion/guidance.ts";
import { UsageError } from "../terminal/errors.ts";
import { flag, group, optional, type Values } from "./flags.ts";
import { choice, list, number, type Parser } from "./parsers.ts";

const parts = list(number({ min: 0, max: 1 }));

/** Two parts of the time steps, in their order. */
const interval: Parser<readonly [from: number, to: number]> = (text, flag) => {
  const [from, to, ...rest] = parts(text, flag);
  if (to !== undefined && rest.length === 0 && from < to) return [from, to];
  throw new UsageError(`${flag} ${text}: it takes two numbers between 0 and 1, such as 0,0.7`);
};

/** How guidance goes along the steps. */
export const guidanceFlags = group("Sampling:", {
  cfgSchedule: flag(
    `--cfg-schedule <${guidanceSchedules.join("|")}>`,
    "guidance along the steps: all the same, in an interval only, or growing to the clean end",
    choice(...guidanceSchedules),
    "constant",
  ),
  cfgInterval: optional(
    "--cfg-interval <from,to>",
    "steps with guidance, as parts of the time steps: 0 is clean, 1 noise",
    interval,
    "0,0.7",
  ),
  cfgPower: optional(
    "--cfg-power <x>",
    "how late power-cosine guidance grows",
    number({ above: 0 }),
    "4",
  ),
});

/**
 * The schedule that flags ask for.
 *
 * @throws UsageError for a flag of another schedule
 */
export function guidanceSchedule(
  { cfgSchedule: kind, cfgInterval, cfgPower }: Values<typeof guidanceFlags>,
): GuidanceSchedule {
  if (cfgInterval !== undefined && kind !== "interval") {
    throw new UsageError(`--cfg-interval is for --cfg-schedule interval, not ${kind}`);
  }
  if (cfgPower !== undefined && kind !== "power-cosine") {
    throw new UsageError(`--cfg-power is for --cfg-schedule power-cosine, not ${kind}`);
  }
  switch (kind) {
    case "constant":
      return { kind };
    case "interval": {
      const [from, to] = cfgInterval ?? [0, 0.7];
      return { kind, from, to };
    }
    case "power-cosine":
      return { kind, power: cfgPower ?? 4 };
  }
}
