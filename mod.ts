/**
 * Tessera: diffusion transformers on any GPU through WebGPU and on any CPU through WebAssembly.
 *
 * A model is a pure function over symbolic tensors. Calling it traces a graph; gradients, cost,
 * fusion and the memory plan are functions of that graph; a device replays the compiled program.
 *
 * @example Fit a line
 * ```ts
 * import {
 *   compile, gradients, input, linear, makeGraph, mean, multiply, selectDevice, square, state,
 *   subtract,
 * } from "./mod.ts";
 *
 * const x = input("x", [4, 1]);
 * const y = input("y", [4, 1]);
 * const weight = state("weight", [1, 1]);
 * const loss = mean(square(subtract(linear(x, weight), y)));
 * const [gradient] = gradients(loss, [weight]);
 * const step = makeGraph("gradient descent", {
 *   outputs: { loss },
 *   updates: [{ state: weight, value: subtract(weight, multiply(0.05, gradient)) }],
 * });
 *
 * const { device } = await selectDevice({ device: "wasm", threads: 1 });
 * const program = await device.load(compile(step));
 * program.buffer("x").write(Float32Array.of(1, 2, 3, 4));
 * program.buffer("y").write(Float32Array.of(2, 4, 6, 8));
 * for (let i = 0; i < 50; i++) program.run();
 * const [slope] = await program.buffer("weight").read();
 * device.close();
 * if (Math.abs(slope - 2) > 1e-4) throw new Error(`the slope is ${slope}`);
 * ```
 *
 * @example Count the parameters and multiply-adds of a published model
 * ```ts
 * import {
 *   countParameters, dit, ditConfigs, ditParameters, graphCost, input, lookup, makeGraph,
 *   parameterStates,
 * } from "./mod.ts";
 *
 * const config = ditConfigs.get("DiT-XL/2")!;
 * const table = ditParameters(config);
 * const out = dit(
 *   config,
 *   lookup(parameterStates(table)),
 *   input("x", [1, 4, 32, 32]),
 *   input("t", [1], "i32"),
 *   input("y", [1], "i32"),
 * );
 * const { multiplyAdds } = graphCost(makeGraph("forward", { outputs: { out } }));
 * if (countParameters(table).parameters !== 675_129_632) throw new Error("parameters");
 * if (multiplyAdds !== 118_621_421_568) throw new Error("multiply-adds");
 * ```
 *
 * @module
 */

export * from "./kernels/mod.ts";
export * from "./nn/mod.ts";
export * from "./formats/mod.ts";
export * from "./data/mod.ts";
export * from "./diffusion/mod.ts";
export * from "./metrics/mod.ts";
export * from "./training/mod.ts";
export * from "./models/mod.ts";
