/**
 * One typed method per WebAssembly instruction, made from the tables of opcodes.
 *
 * @module
 */
import { unsignedLeb } from "./encoding.ts";
import { laneOpcodes, memoryLaneOpcodes, memoryOpcodes, plainOpcodes } from "./opcodes.ts";

/** What the methods are made for: something that takes bytes of code. */
interface Emitter {
  emit(bytes: readonly number[]): this;
}

type Chained<Names, Arguments extends unknown[], Builder> = {
  readonly [Name in keyof Names]: (...args: Arguments) => Builder;
};

type Instructions<Builder> =
  & Chained<typeof plainOpcodes, [], Builder>
  & Chained<typeof memoryOpcodes, [offset?: number], Builder>
  & Chained<typeof laneOpcodes, [lane: number], Builder>
  & Chained<typeof memoryLaneOpcodes, [lane: number, offset?: number], Builder>;

/** log2 of the alignment that memory instructions hint at: but for halves, elements have four bytes. */
const alignment = 2;

/**
 * Base class with one method per table entry, so that each opcode is written down exactly once and
 * still appears as a typed method, which returns the builder it was called on.
 */
export const InstructionTable = function () {} as unknown as new <Builder>() => Instructions<
  Builder
>;

function defineInstructions(
  table: Readonly<Record<string, readonly number[]>>,
  immediates: (first: number | undefined, second: number | undefined) => number[],
): void {
  for (const [name, opcode] of Object.entries(table)) {
    Object.defineProperty(InstructionTable.prototype, name, {
      value(this: Emitter, first?: number, second?: number): Emitter {
        return this.emit(opcode).emit(immediates(first, second));
      },
    });
  }
}

defineInstructions(plainOpcodes, () => []);
defineInstructions(memoryOpcodes, (offset = 0) => [alignment, ...unsignedLeb(offset)]);
defineInstructions(laneOpcodes, (lane = 0) => [lane]);
defineInstructions(
  memoryLaneOpcodes,
  (lane = 0, offset = 0) => [alignment, ...unsignedLeb(offset), lane],
);
