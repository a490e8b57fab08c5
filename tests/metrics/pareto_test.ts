import assert from "node:assert/strict";
import fc from "fast-check";
import { paretoFront } from "../../metrics/pareto.ts";

const small = fc.integer({ min: 0, max: 6 });
const anyPoints = fc.array(fc.record({ cost: small, accuracy: small }), { maxLength: 30 });

Deno.test("the front is what nothing dominates, by comparing all pairs", () => {
  fc.assert(fc.property(anyPoints, (points) => {
    const front = paretoFront(points);
    for (const point of points) {
      const isDominated = points.some((other) =>
        other.cost <= point.cost && other.accuracy >= point.accuracy &&
        (other.cost < point.cost || other.accuracy > point.accuracy)
      );
      const isOnFront = front.some(({ cost, accuracy }) =>
        cost === point.cost && accuracy === point.accuracy
      );
      assert.equal(isOnFront, !isDominated);
    }
    front.slice(1).forEach(({ cost, accuracy }, index) => {
      assert.ok(cost > front[index].cost && accuracy > front[index].accuracy);
    });
  }));
});

Deno.test("of equal points the first one is kept, whole", () => {
  const points = ["a", "b"].map((name) => ({ name, cost: 1, accuracy: 0.5 }));
  assert.deepEqual(paretoFront(points), [points[0]]);
  assert.deepEqual(paretoFront([]), []);
});
