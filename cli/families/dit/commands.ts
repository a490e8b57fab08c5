/**
 * DiT on the command line.
 *
 * @module
 */
import type { DiTConfig } from "../../../models/dit/model.ts";
import type { FamilyCommands } from "../commands.ts";
import { ditFields } from "./model_flags.ts";

/** The commands of DiT. */
export const ditCommands: FamilyCommands<DiTConfig> = {
  name: "dit",
  title: "DiT",
  fields: ditFields,
  verify: {
    summary: "a DiT: forward pass and gradients",
    contents: "input.x, input.t, input.y, output.out; and cotangent.out",
    hint: "exit code 1 when an output or gradient is beyond the tolerance",
  },
};
