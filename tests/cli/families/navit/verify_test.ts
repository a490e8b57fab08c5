import assert from "node:assert/strict";
import { navitParameters } from "../../../../models/navit/model.ts";
import { deviceChoices } from "../../../devices.ts";
import {
  deviceFlags,
  type Editable,
  filesOf,
  find,
  verifier,
  verifyArguments,
  withEdited,
} from "../../verify_cases.ts";
import { runTessera } from "../../support.ts";

const verify = verifier("navit");
const files = filesOf("navit_factorized");

for (const { name, available } of deviceChoices) {
  Deno.test({
    name: `logits and all gradients of the fixtures are verified [${name}]`,
    ignore: !available,
    async fn() {
      for (const model of ["navit_factorized", "navit_biased"]) {
        const { code, out, err } = await verify(filesOf(model), ...deviceFlags(name), "--json");
        assert.deepEqual({ code, err }, { code: 0, err: "" });
        const { model: family, passed, tensors, config } = JSON.parse(out);
        assert.deepEqual([family, passed, config.family], ["navit", true, "navit"]);
        assert.deepEqual(
          [tensors[0].name, tensors[1].name],
          ["output.logits", "grad.patches"],
        );
        assert.equal(tensors.length, 2 + navitParameters(config).length);
        for (const { relativeError } of tensors) assert(relativeError < 1e-5);
      }
    },
  });
}

Deno.test("verify navit needs no prompt under the task's permissions, and prints a table", async () => {
  const { code, out, err } = await runTessera(verifyArguments("navit", files));
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  assert.match(out, /^output\.logits +\d\.\d+e-\d+ .* ok$/m);
});

Deno.test("logits of empty slots are not compared, those of images are", async () => {
  const change = (isEmpty: boolean) => (tensors: Editable[]) => {
    const [indices, logits] = [find(tensors, "input.indices"), find(tensors, "output.logits")];
    const slot = indices.values.findIndex((index) => (index < 0) === isEmpty);
    logits.values[slot * logits.shape[2]] += 100;
  };
  for (const [isEmpty, expected] of [[true, 0], [false, 1]] as const) {
    await withEdited(files.case, change(isEmpty), async (path) => {
      const { code, out } = await verify({ ...files, case: path }, "--json");
      assert.equal(code, expected);
      assert.equal(JSON.parse(out).tensors[0].passed, isEmpty);
    });
  }
});

Deno.test("more slots than the images need change nothing", async () => {
  const add = (tensors: Editable[]) => {
    for (const name of ["output.logits", "cotangent.logits"]) {
      const tensor = find(tensors, name);
      const [sequences, slots, classes] = tensor.shape;
      tensor.shape = [sequences, slots + 1, classes];
      tensor.values = Array.from({ length: sequences }, (_, sequence) => [
        ...tensor.values.slice(sequence * slots * classes, (sequence + 1) * slots * classes),
        ...new Array<number>(classes).fill(0),
      ]).flat();
    }
  };
  await withEdited(files.case, add, async (path) => {
    const { code, out } = await verify({ ...files, case: path }, "--json");
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out).tensors[0].shape, [2, 5, 5]);
  });
});

Deno.test("only the logits are compared where there are no gradients", async () => {
  const only = (tensors: Editable[]) =>
    tensors.filter(({ name }) => /^(?:input|output)/.test(name));
  await withEdited(files.case, only, async (path) => {
    const { code, out } = await verify({ ...files, case: path }, "--json");
    assert.equal(code, 0);
    assert.equal(JSON.parse(out).tensors.length, 1);
  });
});

Deno.test("rows and columns that are exchanged are found", async () => {
  const exchange = (tensors: Editable[]) => {
    for (const [a, b] of [["rows", "columns"], ["gridRows", "gridColumns"]]) {
      const [first, second] = [find(tensors, `input.${a}`), find(tensors, `input.${b}`)];
      [first.name, second.name] = [second.name, first.name];
    }
  };
  await withEdited(files.case, exchange, async (path) => {
    const { code, err } = await verify({ ...files, case: path });
    assert.equal(code, 1);
    assert.match(err, /beyond the tolerance 0\.0001/);
  });
});

Deno.test("cases that do not fit are refused with one line", async () => {
  const set = (name: string, value: number, element = 0) => (tensors: Editable[]) => {
    find(tensors, name).values[element] = value;
  };
  const rename = (from: string, to: string) => (tensors: Editable[]) => {
    find(tensors, from).name = to;
  };
  const reshape = (name: string, shape: number[]) => (tensors: Editable[]) => {
    find(tensors, name).shape = shape;
  };
  const cases: [(tensors: Editable[]) => Editable[] | void, RegExp][] = [
    [
      rename("input.gridRows", "input.gridRow"),
      /no tensor "input\.gridRows"; the nearest are "input\.gridRow"/,
    ],
    [rename("output.logits", "logits"), /no tensor "output\.logits"/],
    [rename("grad.norm.weight", "grad.norm"), /"grad\.norm" is not part of a NaViT's case/],
    [rename("cotangent.logits", "other"), /grad\.patches needs the tensor cotangent\.logits/],
    [
      reshape("input.patches", [2, 48, 24]),
      /input\.patches has the shape \(2, 48, 24\), the model needs \(2, 24, 48\)/,
    ],
    [reshape("input.rows", [24, 2]), /input\.rows has the shape \(24, 2\), .* needs \(2, 24\)/],
    [reshape("input.segments", [48]), /segments has the shape \(48\), .* needs \(B, L\)/],
    [reshape("output.logits", [1, 8, 5]), /\(1, 8, 5\), the model needs \(2, E, 5\) with E/],
    [reshape("output.logits", [2, 5, 4]), /\(2, 5, 4\), the model needs \(2, 5, 5\)/],
    [set("input.segments", 4), /segments holds 4 .*slots 0 to 3, and -1 .* nearest .* is 3/],
    [set("input.segments", -2), /segments holds -2 at element 0: .*the nearest valid value is -1/],
    [set("input.rows", 8), /rows holds 8 .*entries 0 to 7; the nearest valid value is 7/],
    [set("input.columns", -1), /columns holds -1 .*the nearest valid value is 0/],
    [set("input.gridColumns", 0), /gridColumns holds 0 at element 0: patches along .* is 1/],
    [set("input.rows", 7), /rows holds 7 at element 0, in a grid of \d rows; the nearest/],
    [set("input.patches", NaN), /input\.patches holds NaN at element 0/],
    [
      (tensors) => {
        const empty = find(tensors, "input.indices").values.findIndex((index) => index < 0);
        find(tensors, "cotangent.logits").values[5 * empty] = 0.5;
      },
      /cotangent\.logits holds 0\.5 at element \d+, in a slot that no token has; .* is 0/,
    ],
  ];
  for (const [edit, message] of cases) {
    await withEdited(files.case, edit, async (path) => {
      const { code, out, err } = await verify({ ...files, case: path }, "--json");
      assert.deepEqual({ code, out }, { code: 1, out: "" }, String(message));
      assert.match(err, message);
      assert.equal(err.split("\n").length, 2, err);
    });
  }
});

Deno.test("formulas of positions take any row, learned numbers need a table for the grid", async () => {
  const good = JSON.parse(await Deno.readTextFile(files.config));
  const path = await Deno.makeTempFile({ suffix: ".json" });
  const wide = (tensors: Editable[]) => {
    find(tensors, "input.gridColumns").values[0] = 9;
    return tensors.filter(({ name }) => !name.startsWith("grad."));
  };
  try {
    await withEdited(files.case, wide, async (changed) => {
      // The weights fit neither model, which is found after the case has been read.
      const verified = { ...files, config: path, case: changed };
      await Deno.writeTextFile(path, JSON.stringify({ ...good, positions: "learned-1d" }));
      assert.match((await verify(verified)).err, /gridColumns holds 9 .* nearest .* is 8/);
      await Deno.writeTextFile(path, JSON.stringify({ ...good, positions: "fourier" }));
      assert.match((await verify(verified)).err, /parameter pos_embed\.frequencies is missing/);
    });
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("models and weights that do not fit are refused", async () => {
  const other = filesOf("navit_biased");
  const weights = await verify({ ...files, ckpt: other.ckpt });
  assert.equal(weights.code, 1);
  assert.match(weights.err, /the parameter patch_embed\.weight has the shape/);
  const text = await verify(filesOf("navit_contrastive"));
  assert.equal(text.code, 1);
  assert.match(text.err, /a contrastive model has no logits/);
  const dit = await verify({ ...files, config: "DiT-S/8" });
  assert.equal(dit.code, 2);
  assert.match(dit.err, /DiT-S\/8 is a dit, not a navit/);
  const none = await verify({ ...files, case: "none.safetensors" });
  assert.deepEqual([none.code, none.err], [1, "tessera: none.safetensors: no such file\n"]);
});
