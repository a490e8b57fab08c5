/**
 * Cases of a NaViT: a packed batch of B sequences of L tokens, `input.patches` (B, L, C p p) and
 * `input.segments`, `input.rows`, `input.columns`, `input.gridRows`, `input.gridColumns` (B, L);
 * `output.logits` (B, E, K), and gradients of `patches` and the parameters. Slots whose number no token
 * carries are empty: their logits mean nothing and are not compared.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { openSafetensors, type TensorReader } from "../../formats/tensors/safetensors.ts";
import type { HostArray, Shape } from "../../kernels/shape.ts";
import { navit, type NaViTConfig, navitParameters, patchWidth } from "./model.ts";
import { imageInputs, type PackShape } from "./graph.ts";
import { lookup, parameterStates, type WeightType } from "../../nn/parameters.ts";
import {
  checkNames,
  misfit,
  readAnswers,
  readFloats,
  readWhole,
  type WholeRange,
} from "../../evaluation/verify/case_file.ts";
import { makeCase, type VerificationCase } from "../../evaluation/verify/verification.ts";

/**
 * Reads and checks a case.
 *
 * @param weights how the weights are stored on the device
 * @throws InputError naming the file, the tensor and what does not fit; for a contrastive model, which
 * has no logits
 */
export async function readNaViTCase(
  path: string,
  config: NaViTConfig,
  weights: WeightType = "f32",
): Promise<VerificationCase> {
  if (config.text) throw new InputError("a contrastive model has no logits that could be compared");
  using reader = await openSafetensors(path);
  const specifications = navitParameters(config);
  checkNames(reader, {
    family: "NaViT",
    inputs: ["patches", "segments", "rows", "columns", "gridRows", "gridColumns"],
    ignored: ["labels", "weights", "indices"],
    outputs: ["logits"],
    sources: ["patches", ...specifications.map(({ name }) => name)],
  });
  const pack = packShapeOf(reader, config);
  const { sequences, length } = pack;
  const patches: Shape = [sequences, length, patchWidth(config)];
  const inputs = readInputs(reader, config, pack, patches);
  const isFilled = filledSlots(inputs.segments, pack);
  const isCompared = (index: number): boolean => isFilled[Math.floor(index / config.classes)];
  const states = parameterStates(specifications, weights);
  const images = imageInputs(config, pack);
  const sources = new Map([["patches", images.patches], ...states]);
  const logits = navit(config, lookup(states), images);
  const { outputs, gradients } = readAnswers(reader, { logits }, sources);
  const output = outputs.get("logits")!;
  requireZeros(reader, "cotangent.logits", output.cotangent, isCompared);
  const compared = { ...output, expected: { ...output.expected, isCompared } };
  return makeCase({
    inputs,
    outputs: new Map([["logits", compared]]),
    gradients,
    sources,
    weights,
  });
}

/** The sizes of the batch: sequences and their length from the segments, slots from the logits. */
function packShapeOf(reader: TensorReader, { classes }: NaViTConfig): PackShape {
  const [segments, logits] = [reader.info("input.segments"), reader.info("output.logits")];
  if (segments.shape.length !== 2 || segments.shape.includes(0)) {
    throw misfit(reader, segments, "(B, L), both at least 1");
  }
  const [sequences, length] = segments.shape;
  const [batch, slots] = logits.shape;
  if (logits.shape.length !== 3 || batch !== sequences || slots < 1) {
    throw misfit(reader, logits, `(${sequences}, E, ${classes}) with E at least 1`);
  }
  return { sequences, length, slots };
}

function readInputs(
  reader: TensorReader,
  { positions, coordinates, positionLength }: NaViTConfig,
  { sequences, length, slots }: PackShape,
  patches: Shape,
): Record<string, HostArray> & { readonly segments: Int32Array } {
  const whole = (name: string, range: WholeRange): Int32Array =>
    readWhole(reader, `input.${name}`, [sequences, length], range);
  const isTable = positions !== "sinusoidal" && positions !== "fourier";
  const place: WholeRange = isTable && coordinates === "absolute"
    ? {
      least: 0,
      most: positionLength - 1,
      meaning: `tables of positions have the entries 0 to ${positionLength - 1}`,
    }
    : { least: 0, most: mostPatches - 1, meaning: "rows and columns are counted from 0" };
  const side: WholeRange = {
    least: 1,
    most: positions === "learned-1d" ? positionLength : mostPatches,
    meaning: "patches along the side of an image",
  };
  const segments = whole("segments", {
    least: -1,
    most: slots - 1,
    meaning: `a sequence has the slots 0 to ${slots - 1}, and -1 for padding`,
  });
  const [rows, columns] = [whole("rows", place), whole("columns", place)];
  const [gridRows, gridColumns] = [whole("gridRows", side), whole("gridColumns", side)];
  requireWithin(reader, "rows", rows, gridRows);
  requireWithin(reader, "columns", columns, gridColumns);
  const values = readFloats(reader, "input.patches", patches);
  return { patches: values, segments, rows, columns, gridRows, gridColumns };
}

/** Most patches along a side of an image. */
const mostPatches = 65536;

/** Requires that places lie in the grids of their images. */
function requireWithin(
  { path }: TensorReader,
  name: string,
  places: Int32Array,
  sides: Int32Array,
): void {
  const bad = places.findIndex((place, index) => place >= sides[index]);
  if (bad < 0) return;
  throw new InputError(
    `${path}: input.${name} holds ${places[bad]} at element ${bad}, in a grid of ${sides[bad]} ` +
      `${name}; the nearest valid value is ${sides[bad] - 1}`,
  );
}

/** Whether a token carries the number of a slot, for every slot of the batch. */
function filledSlots(segments: Int32Array, { sequences, length, slots }: PackShape): boolean[] {
  const isFilled = new Array<boolean>(sequences * slots).fill(false);
  segments.forEach((segment, token) => {
    if (segment >= 0) isFilled[Math.floor(token / length) * slots + segment] = true;
  });
  return isFilled;
}

/** Requires zeros for what is not compared: nothing else says what an empty slot adds to gradients. */
function requireZeros(
  { path }: TensorReader,
  name: string,
  values: Float32Array | undefined,
  isCompared: (index: number) => boolean,
): void {
  const bad = values?.findIndex((value, index) => value !== 0 && !isCompared(index)) ?? -1;
  if (bad < 0) return;
  throw new InputError(
    `${path}: ${name} holds ${values![bad]} at element ${bad}, in a slot that no token has; ` +
      "the only valid value is 0",
  );
}
