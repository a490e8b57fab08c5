/**
 * NaViT on the command line.
 *
 * @module
 */
import type { NaViTConfig } from "../../../models/navit/model.ts";
import type { FamilyCommands } from "../commands.ts";
import { navitFields } from "./model_flags.ts";

/** The commands of NaViT. */
export const navitCommands: FamilyCommands<NaViTConfig> = {
  name: "navit",
  title: "NaViT",
  fields: navitFields,
  verify: {
    summary: "a NaViT: forward pass of a packed batch and gradients",
    contents:
      "a packed batch: input.patches, .segments, .rows, .columns, .gridRows, .gridColumns, " +
      "output.logits; and cotangent.logits",
    hint: "slots without an image are not compared",
  },
};
