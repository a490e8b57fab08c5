import assert from "node:assert/strict";
import { misplacedTests } from "../../tools/test_places.ts";

const product = ["kernels/view.ts", "kernels/graph/compile.ts", "kernels/wasm/device.ts"];

Deno.test("a test stands in the folder of its module, or in one that its modules share", () => {
  const places = ["kernels/view_test.ts", "kernels/graph/compile_test.ts", "kernels/half_test.ts"];
  const others = ["crash/kill_test.ts", "project/lint_test.ts", "reference/interpreter_test.ts"];
  const helpers = ["devices.ts", "kernels/steps/cases.ts", "fixtures/numbers.json"];
  const files = [...places, ...others, ...helpers].map((path) => `tests/${path}`);
  assert.deepEqual(misplacedTests([...product, ...files]), []);
});

Deno.test("a test above its module, or in a folder that the product lacks, is a problem", () => {
  const files = ["tests/a_test.ts", "tests/kernels/compile_test.ts", "tests/kernel/view_test.ts"];
  assert.deepEqual(misplacedTests([...product, ...files]), [
    "tests/a_test.ts: tests stand in folders",
    "tests/kernels/compile_test.ts: kernels/graph/compile.ts is tested in tests/kernels/graph/",
    "tests/kernel/view_test.ts: the product has no folder kernel",
  ]);
});
