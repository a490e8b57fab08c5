/** A DiT in two parts, as samplers use it, is the whole one, whatever its design. */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { input } from "../../../kernels/tensor.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { dit, ditParameters } from "../../../models/dit/model.ts";
import { ditNetwork } from "../../../models/dit/network.ts";
import { lookup, parameterStates } from "../../../nn/parameters.ts";
import { loadConfig, loadGolden } from "../../golden.ts";

Deno.test("condition and denoiser make the same numbers as the network", async () => {
  const device = await createWasmDevice({ threads: 1 });
  for (const name of ["dit-in-context", "dit-cross-attention", "dit-adaln", "dit-rgb-plain"]) {
    const config = await loadConfig(name);
    const [weights, golden] = [
      await loadGolden(`${name}.weights`),
      await loadGolden(`${name}.case`),
    ];
    const shape = golden.shapes.get("input.x")!;
    const [t, y] = ["t", "y"].map((key) => input(key, [shape[0]], "i32"));
    const x = input("x", shape);
    const parameters = lookup(parameterStates(ditParameters(config)));
    const { condition, denoise } = ditNetwork(config, parameters);
    const outputs = {
      whole: dit(config, parameters, x, t, y),
      parts: denoise(x, condition(t, y)),
    };
    const executable = await device.load(compile(makeGraph("both", { outputs })));
    for (const key of weights.shapes.keys()) executable.buffer(key).write(weights.floats(key));
    executable.buffer("x").write(golden.floats("input.x"));
    for (const key of ["t", "y"]) executable.buffer(key).write(golden.integers(`input.${key}`));
    executable.run();
    const [whole, parts] = [
      await executable.buffer("whole").read(),
      await executable.buffer("parts").read(),
    ];
    assert.deepEqual(parts, whole, name);
    executable.destroy();
  }
  device.close();
});
