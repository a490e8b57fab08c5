/**
 * W.A.L.T on the command line.
 *
 * @module
 */
import type { WaltConfig } from "../../../models/walt/model.ts";
import type { FamilyCommands } from "../commands.ts";
import { waltFields } from "./model_flags.ts";

/** The commands of W.A.L.T's denoisers. */
export const waltCommands: FamilyCommands<WaltConfig> = {
  name: "walt",
  title: "W.A.L.T",
  fields: waltFields,
  verify: {
    summary: "a denoiser of W.A.L.T and its gradients",
    contents: "input.x, input.t, input.isImage, what the configuration asks for of input.y, " +
      "input.selfCondition, input.frameCondition, input.frameMask, input.lowResolution, " +
      "input.noiseLevel, input.text and input.textMask, output.v; and cotangent.v",
    hint: "the names of the inputs are those of models/walt/model.ts",
  },
};
