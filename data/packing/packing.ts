/**
 * Packing by greedy first-fit: every picture goes into the first open sequence with enough room.
 * (NaViT, section 2.1 and appendix A.3)
 *
 * @module
 */

/** What takes room in a sequence: a picture, with its caption where there are captions. */
export interface Packable {
  /** Tokens of the picture that are kept. */
  readonly tokens: number;
  /** Tokens of its caption; 0 without captions. */
  readonly textTokens: number;
}

/** The room of a sequence. */
export interface SequenceCapacity {
  /** Tokens. */
  readonly tokens: number;
  /** Pictures. */
  readonly images: number;
  /** Text tokens; 0 without captions. */
  readonly textTokens: number;
}

/** A sequence and what it holds so far. */
export class Sequence<T extends Packable> {
  /** What was put in, in order. */
  readonly items: T[] = [];
  #taken = { tokens: 0, textTokens: 0 };
  readonly #capacity: SequenceCapacity;

  /** An empty sequence. */
  constructor(capacity: SequenceCapacity) {
    this.#capacity = capacity;
  }

  /** Tokens taken. */
  get tokens(): number {
    return this.#taken.tokens;
  }

  /** Whether it takes no more pictures although tokens are left. */
  get isClosedByImages(): boolean {
    return this.items.length === this.#capacity.images && this.tokens < this.#capacity.tokens;
  }

  /** Puts an item in if there is room; whether there was. */
  add(item: T): boolean {
    const [capacity, taken] = [this.#capacity, this.#taken];
    const fits = this.items.length < capacity.images &&
      taken.tokens + item.tokens <= capacity.tokens &&
      taken.textTokens + item.textTokens <= capacity.textTokens;
    if (!fits) return false;
    this.items.push(item);
    taken.tokens += item.tokens;
    taken.textTokens += item.textTokens;
    return true;
  }
}

function checkFits({ tokens, textTokens }: Packable, capacity: SequenceCapacity): void {
  if (tokens > capacity.tokens) {
    throw new RangeError(
      `a picture of ${tokens} tokens does not fit into a sequence of ${capacity.tokens}`,
    );
  }
  if (textTokens > capacity.textTokens) {
    throw new RangeError(
      `a caption of ${textTokens} tokens does not fit into a text sequence of ${capacity.textTokens}`,
    );
  }
}

/**
 * Fills sequences until the first item that fits into none of them, or the last item.
 *
 * @param count sequences that are open at the same time; with more, less room is left over
 * @param items what is packed, in order; taken one by one, so that it may be endless
 * @returns the sequences in order, and how many items are in them
 * @throws {RangeError} for an item larger than an empty sequence, naming both sizes
 *
 * @example
 * ```ts
 * import { packFirstFit } from "./packing.ts";
 *
 * const pictures = [60, 50, 40, 50].map((tokens) => ({ tokens, textTokens: 0 }));
 * const capacity = { tokens: 100, images: 8, textTokens: 0 };
 * const { sequences } = packFirstFit(2, capacity, pictures);
 * sequences.map(({ items }) => items.map(({ tokens }) => tokens)); // [60, 40], [50, 50]
 * ```
 */
export function packFirstFit<T extends Packable>(
  count: number,
  capacity: SequenceCapacity,
  items: Iterable<T>,
): { sequences: Sequence<T>[]; packed: number } {
  const sequences = Array.from({ length: count }, () => new Sequence<T>(capacity));
  let packed = 0;
  for (const item of items) {
    checkFits(item, capacity);
    if (!sequences.some((sequence) => sequence.add(item))) break;
    packed++;
  }
  return { sequences, packed };
}
