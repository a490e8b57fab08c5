/**
 * Reference attention, forward and backward, from the textbook formulas with full score rows.
 *
 * @module
 */
import type {
  AttentionGradientStep,
  AttentionOperands,
  AttentionStep,
} from "../../kernels/ops/attention/step.ts";
import type { View } from "../../kernels/view.ts";
import { indices, type Memory, range, read, sum, write } from "./memory.ts";

/** One row of the masked softmax: probabilities of all keys, and the log of the denominator. */
interface SoftmaxRow {
  readonly probabilities: readonly number[];
  readonly logSumExp: number;
}

/** Whether query i of batch n sees key j. */
function sees(memory: Memory, step: AttentionOperands, n: number, i: number, j: number): boolean {
  if (!step.querySegments || !step.keySegments) return true;
  return read(memory, step.querySegments, n, i) === read(memory, step.keySegments, n, j);
}

/** Coordinates of a token of a window, tokens numbered row-major. */
function coordinates(window: readonly number[], token: number): number[] {
  return window.map((size, axis) => {
    const inner = window.slice(axis + 1).reduce((product, other) => product * other, 1);
    return Math.floor(token / inner) % size;
  });
}

/** Where the bias of head h for query i and key j stands, after the axes before its last ones. */
function biasIndex(bias: View, h: number, i: number, j: number): number[] {
  const window = bias.shape.slice(1).map((size) => (size + 1) / 2);
  const [query, key] = [coordinates(window, i), coordinates(window, j)];
  return [h, ...window.map((size, axis) => query[axis] - key[axis] + size - 1)];
}

/** Softmax over the keys that query i of head h sees; all zero when it sees none. */
function softmaxRow(
  memory: Memory,
  step: AttentionOperands,
  n: number,
  h: number,
  i: number,
): SoftmaxRow {
  const [, , , width] = step.query.shape;
  const scores = range(step.key.shape[1]).map((j) => {
    if (!sees(memory, step, n, i, j)) return -Infinity;
    const product = sum(
      width,
      (d) => read(memory, step.query, n, i, h, d) * read(memory, step.key, n, j, h, d),
    );
    const bias = step.bias ? read(memory, step.bias, ...biasIndex(step.bias, h, i, j)) : 0;
    return step.scale * product + bias;
  });
  const maximum = Math.max(...scores);
  if (maximum === -Infinity) {
    return { probabilities: scores.map(() => 0), logSumExp: -Infinity };
  }
  const weights = scores.map((score) => Math.exp(score - maximum));
  const denominator = sum(weights.length, (j) => weights[j]);
  return {
    probabilities: weights.map((weight) => weight / denominator),
    logSumExp: maximum + Math.log(denominator),
  };
}

/** `output = softmax(scale Q K^T) V` and the logarithms of the denominators. */
export function attention(step: AttentionStep, memory: Memory): void {
  const [batch, queries, heads, width] = step.query.shape;
  const keys = step.key.shape[1];
  for (const [n, h, i] of indices([batch, heads, queries])) {
    const { probabilities, logSumExp } = softmaxRow(memory, step, n, h, i);
    write(memory, step.logSumExp, [n, h, i], logSumExp);
    for (const d of range(width)) {
      const value = sum(keys, (j) => probabilities[j] * read(memory, step.value, n, j, h, d));
      write(memory, step.output, [n, i, h, d], value);
    }
  }
}

/** Sums over D of output * outputGradient, one a row. */
function rowDots(step: AttentionGradientStep, memory: Memory): void {
  const [batch, queries, heads, width] = step.query.shape;
  for (const [n, h, i] of indices([batch, heads, queries])) {
    const dot = sum(
      width,
      (d) => read(memory, step.output, n, i, h, d) * read(memory, step.outputGradient, n, i, h, d),
    );
    write(memory, step.rowDot, [n, h, i], dot);
  }
}

/**
 * Gradients of attention for all operands. The probabilities are computed anew (not from
 * `logSumExp`), so that a wrong `logSumExp` of a device cannot hide.
 */
export function attentionGradient(step: AttentionGradientStep, memory: Memory): void {
  rowDots(step, memory);
  const [batch, queries, heads, width] = step.query.shape;
  const keys = step.key.shape[1];
  for (const [n, h] of indices([batch, heads])) {
    const rows = range(queries).map((i) => softmaxRow(memory, step, n, h, i).probabilities);
    // Gradient of the loss with respect to scores.
    const scoreGradient = rows.map((row, i) =>
      row.map((probability, j) => {
        const probabilityGradient = sum(
          width,
          (d) =>
            read(memory, step.outputGradient, n, i, h, d) * read(memory, step.value, n, j, h, d),
        );
        return probability * (probabilityGradient - read(memory, step.rowDot, n, h, i));
      })
    );
    if (step.bias && step.biasGradient) {
      for (const place of indices(step.bias.shape.slice(1))) {
        write(memory, step.biasGradient, [n, h, ...place], 0);
      }
      for (const [i, j] of indices([queries, keys])) {
        const place = [n, ...biasIndex(step.bias, h, i, j)];
        const before = read(memory, step.biasGradient, ...place);
        write(memory, step.biasGradient, place, before + scoreGradient[i][j]);
      }
    }
    for (const [i, d] of indices([queries, width])) {
      const value = sum(keys, (j) => scoreGradient[i][j] * read(memory, step.key, n, j, h, d));
      write(memory, step.queryGradient, [n, i, h, d], step.scale * value);
    }
    for (const [j, d] of indices([keys, width])) {
      const key = sum(queries, (i) => scoreGradient[i][j] * read(memory, step.query, n, i, h, d));
      const value = sum(queries, (i) => rows[i][j] * read(memory, step.outputGradient, n, i, h, d));
      write(memory, step.keyGradient, [n, j, h, d], step.scale * key);
      write(memory, step.valueGradient, [n, j, h, d], value);
    }
  }
}
