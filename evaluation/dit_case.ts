/**
 * Case files: what another framework put into a DiT and got out of it, as safetensors.
 *
 * `input.x` (N, C, I, I), `input.t` (N), `input.y` (N), `output.out`; and, to check gradients,
 * `cotangent.out` with `grad.x` and `grad.<parameter>`, the vector-Jacobian products.
 *
 * @module
 */
import { InputError, nearestNames, quote } from "../formats/errors.ts";
import { openSafetensors, type TensorInfo, type TensorReader } from "../formats/safetensors.ts";
import { formatShape, sameShape, type Shape } from "../kernels/shape.ts";
import { type DiTConfig, ditParameters, outputChannels } from "../models/dit.ts";

/** A tensor that the model's answer is compared with. */
export interface Expected {
  /** Sizes of its axes. */
  readonly shape: Shape;
  /** Its elements, row-major. */
  readonly values: Float32Array;
}

/** A case that fits a configuration. */
export interface DiTCase {
  /** Pictures N. */
  readonly batch: number;
  /** Noised pictures (N, C, I, I). */
  readonly x: Float32Array;
  /** Time steps (N), 0 .. 999. */
  readonly t: Int32Array;
  /** Labels (N); the number of classes means "no class". */
  readonly y: Int32Array;
  /** What the other framework put out. */
  readonly out: Expected;
  /** Weights of the outputs in the gradients; absent when no gradient is to be checked. */
  readonly cotangent?: Float32Array;
  /** Gradients by the name of the parameter, or `x`. */
  readonly gradients: ReadonlyMap<string, Expected>;
}

/** Number of time steps of the diffusion the models are trained on. */
const timesteps = 1000;

/**
 * Reads and checks a case.
 *
 * @throws InputError naming the file, the tensor and what does not fit
 */
export async function readDiTCase(path: string, config: DiTConfig): Promise<DiTCase> {
  using reader = await openSafetensors(path);
  checkNames(reader, config);
  const { channels, inputSize, classes } = config;
  const batch = batchOf(reader);
  const picture = (depth: number): Shape => [batch, depth, inputSize, inputSize];
  const outShape = picture(outputChannels(config));
  const gradients = new Map<string, Expected>();
  for (const [name, shape] of gradientShapes(config, picture(channels))) {
    const tensor = `grad.${name}`;
    if (reader.tensors.has(tensor)) {
      gradients.set(name, { shape, values: readFloats(reader, tensor, shape) });
    }
  }
  const hasCotangent = reader.tensors.has("cotangent.out");
  if (gradients.size > 0 && !hasCotangent) {
    const [first] = gradients.keys();
    throw new InputError(`${path}: grad.${first} needs the tensor cotangent.out beside it`);
  }
  return {
    batch,
    x: readFloats(reader, "input.x", picture(channels)),
    t: readWhole(reader, "input.t", batch, timesteps - 1, "time steps are 0 to 999"),
    y: readWhole(
      reader,
      "input.y",
      batch,
      classes,
      `the model has classes 0 to ${classes - 1}, and ${classes} for no class`,
    ),
    out: { shape: outShape, values: readFloats(reader, "output.out", outShape) },
    cotangent: hasCotangent ? readFloats(reader, "cotangent.out", outShape) : undefined,
    gradients,
  };
}

/** Everything whose gradient can be checked. */
function gradientShapes(config: DiTConfig, x: Shape): Map<string, Shape> {
  const parameters = ditParameters(config).map(({ name, shape }) => [name, shape] as const);
  return new Map([["x", x], ...parameters]);
}

/** Refuses files that lack a tensor or hold one of a case that the model does not have. */
function checkNames(reader: TensorReader, config: DiTConfig): void {
  const required = ["input.x", "input.t", "input.y", "output.out"];
  const gradients = [...gradientShapes(config, []).keys()].map((name) => `grad.${name}`);
  const known = new Set([...required, "cotangent.out", ...gradients]);
  // First, because the reader names the nearest tensors there are.
  required.forEach((name) => reader.info(name));
  for (const name of reader.tensors.keys()) {
    if (known.has(name) || !/^(?:input|output|cotangent|grad)\./.test(name)) continue;
    const near = nearestNames(name, known).join(" and ");
    throw new InputError(
      `${reader.path}: tensor ${quote(name)} is not part of a DiT's case; the nearest are ${near}`,
    );
  }
}

function batchOf(reader: TensorReader): number {
  const { shape } = reader.info("input.x");
  if (shape.length === 4 && shape[0] >= 1) return shape[0];
  throw misfit(reader, reader.info("input.x"), "(N, C, H, W) with N at least 1");
}

function misfit(reader: TensorReader, { name, shape }: TensorInfo, wanted: string): InputError {
  return new InputError(
    `${reader.path}: ${name} has the shape ${formatShape(shape)}, the model needs ${wanted}`,
  );
}

function readFloats(reader: TensorReader, name: string, shape: Shape): Float32Array {
  const info = reader.info(name);
  if (!sameShape(info.shape, shape)) throw misfit(reader, info, formatShape(shape));
  const values = reader.readFloat32(name);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return values;
  throw new InputError(`${reader.path}: ${name} holds ${values[bad]} at element ${bad}`);
}

/** Whole numbers 0 .. most of any numeric type, (N). */
function readWhole(
  reader: TensorReader,
  name: string,
  length: number,
  most: number,
  range: string,
): Int32Array {
  const info = reader.info(name);
  if (!sameShape(info.shape, [length])) throw misfit(reader, info, formatShape([length]));
  const values = /F/.test(info.type) ? reader.readFloat32(name) : reader.readInt32(name);
  for (const [index, value] of values.entries()) {
    if (!Number.isInteger(value)) {
      throw new InputError(
        `${reader.path}: ${name} holds ${value} at element ${index}, which is not a whole number`,
      );
    }
    if (value < 0 || value > most) {
      const nearest = value < 0 ? 0 : most;
      throw new InputError(
        `${reader.path}: ${name} holds ${value} at element ${index}: ${range}; ` +
          `the nearest valid value is ${nearest}`,
      );
    }
  }
  return Int32Array.from(values);
}
