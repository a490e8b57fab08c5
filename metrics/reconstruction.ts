/**
 * How near a picture or a clip is to the one that it stands for. Values are from 0 to 1.
 *
 * @module
 */

/** Peak signal-to-noise ratio in dB of a mean squared error of values from 0 to 1. */
export const peakSignalToNoise = (meanSquaredError: number): number =>
  -10 * Math.log10(meanSquaredError);

/**
 * The mean of squared differences.
 *
 * @throws RangeError when lengths differ or there is nothing
 */
export function meanSquaredError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0) {
    throw new RangeError(`${a.length} and ${b.length} values cannot be compared`);
  }
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] - b[index]) ** 2;
  return sum / a.length;
}

/** Side and deviation of the window, and the constants against division by zero, of Wang et al. */
const [windowSide, windowDeviation, constants] = [11, 1.5, [0.01 ** 2, 0.03 ** 2]] as const;

/** A Gaussian window along one axis; as long as the axis, and odd, where that is shorter. */
function gaussianWindow(length: number): number[] {
  const side = Math.min(windowSide, length - (length + 1) % 2);
  const weights = Array.from(
    { length: side },
    (_, index) => Math.exp(-((index - (side - 1) / 2) ** 2) / (2 * windowDeviation ** 2)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** A plane of rows and columns. */
interface Plane {
  readonly values: Float64Array;
  readonly height: number;
  readonly width: number;
}

/** Means in the windows that lie wholly in a plane. */
function blurred({ values, height, width }: Plane): Plane {
  const [rows, columns] = [gaussianWindow(height), gaussianWindow(width)];
  const [h, w] = [height - rows.length + 1, width - columns.length + 1];
  const across = new Float64Array(height * w);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let k = 0; k < columns.length; k++) sum += columns[k] * values[y * width + x + k];
      across[y * w + x] = sum;
    }
  }
  const means = new Float64Array(h * w);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let k = 0; k < rows.length; k++) sum += rows[k] * across[(y + k) * w + x];
      means[y * w + x] = sum;
    }
  }
  return { values: means, height: h, width: w };
}

/**
 * Structural similarity of two planes of one size (Wang et al., "Image Quality Assessment: From Error
 * Visibility to Structural Similarity", 2004): Gaussian windows of 11 x 11 with deviation 1.5, the mean
 * over all that lie wholly inside. Along shorter sides the window is the longest odd one that fits.
 *
 * @param a row-major, height x width
 */
export function structuralSimilarity(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { height, width }: { readonly height: number; readonly width: number },
): number {
  if (a.length !== height * width || b.length !== a.length) {
    throw new RangeError(`${a.length} and ${b.length} values are not planes ${height} x ${width}`);
  }
  const means = (of: (index: number) => number): Float64Array =>
    blurred({ values: Float64Array.from(a, (_, index) => of(index)), height, width }).values;
  const [meanA, meanB] = [means((i) => a[i]), means((i) => b[i])];
  const squareA = means((i) => a[i] ** 2);
  const squareB = means((i) => b[i] ** 2);
  const product = means((i) => a[i] * b[i]);
  const [c1, c2] = constants;
  const sum = meanA.reduce((total, mean, i) => {
    const [x, y] = [mean, meanB[i]];
    const covariance = product[i] - x * y;
    const variances = squareA[i] - x * x + squareB[i] - y * y;
    const luminance = (2 * x * y + c1) / (x * x + y * y + c1);
    return total + luminance * (2 * covariance + c2) / (variances + c2);
  }, 0);
  return sum / meanA.length;
}

/** A clip of values from 0 to 1. */
export interface ValueClip {
  /** (channels, frames, height, width), row-major. */
  readonly values: Float32Array;
  /** Colours of a pixel. */
  readonly channels: number;
  /** Pictures one after the other. */
  readonly frames: number;
  /** Rows of a frame. */
  readonly height: number;
  /** Columns of a frame. */
  readonly width: number;
}

/** How near a clip is to its original. */
export interface ClipQuality {
  /** Mean squared error of each frame. */
  readonly frameErrors: readonly number[];
  /** Structural similarity of each frame, mean over its channels. */
  readonly frameSimilarities: readonly number[];
  /** Mean squared error of the whole clip. */
  readonly error: number;
  /** Mean squared error of what changes from frame to frame; undefined for a single frame. */
  readonly changeError?: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Compares a clip with its original, frame by frame and as a whole.
 *
 * @throws RangeError when they differ in size
 */
export function clipQuality(original: ValueClip, other: ValueClip): ClipQuality {
  const { channels, frames, height, width } = original;
  const pixels = height * width;
  const plane = ({ values }: ValueClip, channel: number, frame: number): Float32Array =>
    values.subarray((channel * frames + frame) * pixels, (channel * frames + frame + 1) * pixels);
  const overChannels = (of: (channel: number) => number): number =>
    mean(Array.from({ length: channels }, (_, channel) => of(channel)));
  const overFrames = (count: number, of: (channel: number, frame: number) => number): number[] =>
    Array.from({ length: count }, (_, frame) => overChannels((channel) => of(channel, frame)));
  const change = (clip: ValueClip, channel: number, frame: number): Float32Array => {
    const before = plane(clip, channel, frame);
    return plane(clip, channel, frame + 1).map((value, index) => value - before[index]);
  };
  const frameErrors = overFrames(
    frames,
    (channel, frame) =>
      meanSquaredError(plane(original, channel, frame), plane(other, channel, frame)),
  );
  return {
    frameErrors,
    frameSimilarities: overFrames(
      frames,
      (channel, frame) =>
        structuralSimilarity(plane(original, channel, frame), plane(other, channel, frame), {
          height,
          width,
        }),
    ),
    error: mean(frameErrors),
    changeError: frames === 1 ? undefined : mean(overFrames(
      frames - 1,
      (channel, frame) =>
        meanSquaredError(change(original, channel, frame), change(other, channel, frame)),
    )),
  };
}
