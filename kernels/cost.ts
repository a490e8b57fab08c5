/**
 * What operations cost.
 *
 * @module
 */

/**
 * What one execution of a node costs.
 *
 * `multiplyAdds` counts products and attention only, one multiply-add as 1: the convention of the
 * papers. `flops` counts every arithmetic operation (a multiply-add as 2, an element of an
 * element-wise expression as its number of scalar operations). `bytes` is the traffic of reading
 * each operand once and writing each result once.
 */
export interface Cost {
  /** Multiply-adds of products and attention, one as 1. */
  readonly multiplyAdds: number;
  /** Arithmetic operations, a multiply-add as 2. */
  readonly flops: number;
  /** Memory traffic of operands and results. */
  readonly bytes: number;
}
