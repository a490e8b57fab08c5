/**
 * AdamW in WebAssembly: one fused pass over parameter, gradient, both moments and the moving
 * average. It is bound by memory, so every number is read and written once. All of the schedule is
 * read at run time; the program stays the same from step to step.
 *
 * @module
 */
import { elementCount } from "../../shape.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { integer } from "../../wasm/emit/integers.ts";
import type { RowVector } from "../../wasm/emit/lanes.ts";
import type { WasmLowering } from "../../wasm/lowering.ts";
import { splitEvenly, splitPhase } from "../../wasm/split.ts";
import {
  assign,
  divide,
  multiply,
  multiplyAdd,
  type Operand,
  row,
  scalar,
  splat,
  squareRoot,
  store,
  subtract,
  type Value,
  when,
} from "../../wasm/emit/values.ts";
import { adamwSchedule, type AdamWStep } from "./step.ts";

const unroll = 4;
const groupElements = 4 * unroll;

/** Operands that are walked, in the order of the parameters. */
type Operands = readonly [
  parameter: Local,
  gradient: Local,
  firstMoment: Local,
  secondMoment: Local,
  average?: Local,
];

/** Run-time factors of the update, splat over vectors. */
interface Factors {
  readonly gradientScale: Local;
  readonly beta1: Local;
  readonly rest1: Local;
  readonly beta2: Local;
  readonly rest2: Local;
  readonly epsilon: Local;
  /** 1 - learning rate * weight decay. */
  readonly kept: Local;
  /** Learning rate / (1 - beta1^t). */
  readonly rate: Local;
  readonly correction2: Local;
  readonly averageDecay: Local;
  readonly averageRest: Local;
}

/** Reads the schedule and computes what all elements share. */
function loadFactors(
  f: FunctionBuilder,
  schedule: Local,
  gradientScale: Local,
  decay: boolean,
): Factors {
  const entry = (name: keyof typeof adamwSchedule): Value =>
    splat(schedule, 4 * adamwSchedule[name]);
  const keep = (value: Operand): Local => {
    const local = f.local("v128");
    assign(f, local, value);
    return local;
  };
  const rest = (x: Local): Local => keep(subtract(1, x));
  const beta1 = keep(entry("beta1"));
  const beta2 = keep(entry("beta2"));
  const averageDecay = keep(entry("averageDecay"));
  return {
    gradientScale: keep(splat(gradientScale)),
    beta1,
    rest1: rest(beta1),
    beta2,
    rest2: rest(beta2),
    epsilon: keep(entry("epsilon")),
    kept: keep(
      decay ? subtract(1, multiply(entry("learningRate"), entry("weightDecay"))) : 1,
    ),
    rate: keep(multiply(entry("learningRate"), entry("correction1"))),
    correction2: keep(entry("correction2")),
    averageDecay,
    averageRest: rest(averageDecay),
  };
}

/** Updates one vector of elements. */
function update(f: FunctionBuilder, operands: Operands, factors: Factors, at: RowVector): void {
  const [parameter, gradient, firstMoment, secondMoment, average] = operands;
  const { beta1, rest1, beta2, rest2, epsilon, kept, rate, correction2 } = factors;
  f.withLocals(["v128", "v128", "v128"], (g, m, v) => {
    assign(f, g, multiply(row(gradient, at), factors.gradientScale));
    assign(f, m, multiplyAdd(row(firstMoment, at), beta1, multiply(g, rest1)));
    store(f, firstMoment, at, m);
    assign(f, v, multiplyAdd(row(secondMoment, at), beta2, multiply(multiply(g, g), rest2)));
    store(f, secondMoment, at, v);
    const p = g;
    const step = divide(multiply(m, rate), multiplyAdd(squareRoot(v), correction2, epsilon));
    assign(f, p, subtract(multiply(row(parameter, at), kept), step));
    store(f, parameter, at, p);
    if (!average) return;
    const { averageDecay, averageRest } = factors;
    store(f, average, at, multiplyAdd(row(average, at), averageDecay, multiply(p, averageRest)));
  });
}

/** Emits (operands..., schedule, gradientScale, groups, rest): groups of 16 elements, then single ones. */
function emitAdamW(
  module: ModuleBuilder,
  name: string,
  { average, decay }: { readonly average: boolean; readonly decay: boolean },
): FunctionBuilder {
  const operandCount = average ? 5 : 4;
  const f = module.function(name, new Array<"i32">(operandCount + 4).fill("i32"), []);
  const operands = f.parameters.slice(0, operandCount) as [Local, Local, Local, Local, Local?];
  const [schedule, gradientScale, groups, rest] = f.parameters.slice(operandCount);
  const advance = (elements: number): void => {
    for (const operand of operands) f.increment(operand!, 4 * elements);
  };
  // The negated comparison also catches not-a-number.
  const usable = scalar.atLeast(scalar.load(gradientScale), 0);
  when(f, integer.isZero(usable), () => f.return());
  const factors = loadFactors(f, schedule, gradientScale, decay);
  f.repeat(groups, () => {
    f.forVectors(unroll, (slot) => {
      update(f, operands, factors, { lanes: 4, offset: 16 * slot, slot });
    });
    advance(groupElements);
  });
  f.repeat(rest, () => {
    update(f, operands, factors, { lanes: 1, offset: 0, slot: 0 });
    advance(1);
  });
  return f;
}

/** One AdamW update of a tensor, divided over the threads. */
export const lowerAdamW: WasmLowering<AdamWStep> = (step, context) => {
  const { parameter, gradient, firstMoment, secondMoment, average, decay } = step;
  const name = `adamw${average ? " average" : ""}${decay ? " decay" : ""}`;
  context.define(name, (module) => emitAdamW(module, name, { average: !!average, decay }));
  const operands = [parameter, gradient, firstMoment, secondMoment, ...average ? [average] : []]
    .map((view) => {
      const written = view !== gradient;
      return context.address(view, { shape: parameter.shape, layout: "contiguous", written });
    });
  const shared = [
    context.address(step.schedule, { shape: [adamwSchedule.length], layout: "contiguous" }),
    context.address(step.gradientScale, { shape: [] }),
  ];
  const count = elementCount(parameter.shape);
  return [
    splitPhase(splitEvenly(count, context.threads, groupElements), ({ start, end }) => {
      const elements = end - start;
      const addresses = operands.map((address) => address + 4 * start);
      const groups = Math.floor(elements / groupElements);
      return [{
        function: name,
        arguments: [...addresses, ...shared, groups, elements - groups * groupElements],
      }];
    }),
  ];
};
