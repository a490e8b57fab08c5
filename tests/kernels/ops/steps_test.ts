/**
 * Every step kind, on every device, against the reference interpreter; on an emulated GPU each form
 * with aligned or other operands, in `deno task soak` with both.
 *
 * @module
 */
import assert from "node:assert/strict";
import { eachDevice } from "../../devices.ts";
import { takesFewerCases } from "../../scale.ts";
import { interpret } from "../../reference/interpreter.ts";
import type { StepCase } from "./builder.ts";
import { casesOf, everyCase, oneInForms, relativeError, runCase } from "./cases.ts";

/** Cases and expected results, computed once for all devices. */
function withExpectations(make: (padding: number) => StepCase[]) {
  let cached: { test: StepCase; expected: Map<string, Float64Array> }[] | undefined;
  return () =>
    cached ??= everyCase(make).map((test) => ({
      test,
      expected: interpret(test.program, test.inputs, test.states),
    }));
}

for (const [kind, make] of Object.entries(casesOf)) {
  const cases = withExpectations(make);
  eachDevice(`step ${kind}`, async (device, choice) => {
    const failures: string[] = [];
    let worst = { ratio: 0, name: "" };
    const chosen = await takesFewerCases(device.kind) ? oneInForms(cases(), 1) : cases();
    for (const { test, expected } of chosen) {
      try {
        for (const [name, actual] of await runCase(device, test)) {
          const error = relativeError(actual, expected.get(name)!);
          if (error > test.tolerance) {
            failures.push(
              `${test.name}: ${name} is off by ${error.toExponential(2)}, ` +
                `allowed ${test.tolerance.toExponential(2)}`,
            );
          }
          const ratio = test.tolerance > 0 ? error / test.tolerance : 0;
          if (ratio > worst.ratio) worst = { ratio, name: test.name };
        }
      } catch (error) {
        failures.push(`${test.name}: ${error instanceof Error ? error.message : error}`);
      }
    }
    console.log(
      `${kind} on ${choice.name}: ${chosen.length} cases, ${failures.length} failed, ` +
        `worst ${(100 * worst.ratio).toFixed(0)} % of the allowed error (${worst.name})`,
    );
    assert.equal(failures.length, 0, failures.slice(0, 20).join("\n"));
  });
}
