/** Reference batches: those of numpy, those of this tool, damaged ones. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  readReferenceStatistics,
  writeReferenceBatch,
} from "../../../evaluation/features/reference_batch.ts";
import { type NpzArray, NpzFile, writeNpz } from "../../../formats/tensors/npz.ts";
import { assertInputError, withFolder } from "../../formats/helpers.ts";

const fixture = "tests/fixtures/reference_batch.npz";

Deno.test("the statistics of a batch that numpy has written", async () => {
  const { pooled, spatial } = await readReferenceStatistics(fixture);
  assert.deepEqual(pooled, {
    mean: Float64Array.of(0.25, -1.5),
    covariance: Float64Array.of(2, 0.5, 0.5, 1),
  });
  assert.deepEqual(spatial, { mean: Float64Array.of(3), covariance: Float64Array.of(4) });
});

Deno.test("a batch is written under the same names and read back", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "batch.npz");
    const statistics = await readReferenceStatistics(fixture);
    const bytes = Uint8Array.from({ length: 2 * 2 * 2 * 3 }, (_, index) => index);
    let isThrough = false;
    async function* pictures() {
      yield bytes.subarray(0, 12);
      yield bytes.subarray(12);
      isThrough = await Promise.resolve(true);
    }
    await writeReferenceBatch(path, { shape: [2, 2, 2, 3], bytes: pictures() }, () => {
      assert(isThrough, "statistics are asked for behind the pictures");
      return statistics;
    });
    assert.deepEqual(await readReferenceStatistics(path), statistics);
    using file = await NpzFile.open(path);
    assert.deepEqual(file.names, ["arr_0", "mu", "sigma", "mu_s", "sigma_s"]);
    assert.deepEqual((await file.read("arr_0")).data, bytes);
    const { pooled } = statistics;
    const extractor = "0123456789abcdef".repeat(4);
    await writeReferenceBatch(path, undefined, () => ({ pooled, extractor }));
    const own = { pooled, spatial: undefined, extractor };
    assert.deepEqual(await readReferenceStatistics(path), own);
  });
});

Deno.test("what is no mean and covariance is refused", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "batch.npz");
    const array = (name: string, shape: number[], values: Float64Array): NpzArray => ({
      ...{ name, shape, type: "F64", chunks: [values] },
    });
    const refused = async (arrays: NpzArray[], message: RegExp) => {
      await writeNpz(path, arrays);
      await assertInputError(readReferenceStatistics(path), path, message);
    };
    const mu = array("mu", [2], Float64Array.of(1, 2));
    await refused([mu], /no array "sigma"/);
    await refused(
      [mu, array("sigma", [1, 2], Float64Array.of(1, 2))],
      /mu \(2\) and sigma \(1,2\)/,
    );
    const sigma = array("sigma", [2, 2], Float64Array.of(1, 0, NaN, 1));
    await refused([mu, sigma], /sigma holds NaN at element 2/);
    const bytes: NpzArray = { name: "mu", type: "U8", shape: [2], chunks: [Uint8Array.of(1, 2)] };
    await refused([bytes, { ...sigma }], /mu is of type U8/);
  });
});
