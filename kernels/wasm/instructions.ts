/**
 * One typed method per WebAssembly instruction, made from the tables of opcodes.
 *
 * @module
 */
import type { FunctionBuilder } from "./assembler.ts";
import { unsignedLeb } from "./encoding.ts";
import { laneOpcodes, memoryLaneOpcodes, memoryOpcodes, plainOpcodes } from "./opcodes.ts";

type Chained<Names, Arguments extends unknown[]> = {
  readonly [Name in keyof Names]: (...args: Arguments) => FunctionBuilder;
};

type Instructions =
  & Chained<typeof plainOpcodes, []>
  & Chained<typeof memoryOpcodes, [offset?: number]>
  & Chained<typeof laneOpcodes, [lane: number]>
  & Chained<typeof memoryLaneOpcodes, [lane: number, offset?: number]>;

/** log2 of the alignment that memory instructions hint at: but for halves, elements have four bytes. */
const alignment = 2;

/**
 * Base class with one method per table entry, so that each opcode is written down exactly once and
 * still appears as a typed method.
 */
export const InstructionTable = function () {} as unknown as new () => Instructions;

function defineInstructions(
  table: Readonly<Record<string, readonly number[]>>,
  immediates: (first: number | undefined, second: number | undefined) => number[],
): void {
  for (const [name, opcode] of Object.entries(table)) {
    Object.defineProperty(InstructionTable.prototype, name, {
      value(this: FunctionBuilder, first?: number, second?: number): FunctionBuilder {
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
