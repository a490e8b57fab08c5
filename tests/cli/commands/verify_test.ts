import assert from "node:assert/strict";
import { deviceChoices } from "../../devices.ts";
import { keepsHalves } from "../../half_activations.ts";
import { runTessera } from "../support.ts";
import {
  deviceFlags,
  type Editable,
  filesOf,
  find,
  type VerifiedFiles,
  verifier,
  verifyArguments,
  withEdited,
} from "../verify_cases.ts";

const verify = verifier("dit");

for (const [index, { name, available }] of deviceChoices.entries()) {
  const models = index === 0 ? ["dit-latent", "dit-pixel", "dit-rgb-plain"] : ["dit-rgb-plain"];
  const flags = deviceFlags(name);
  Deno.test({
    name: `the fixtures are verified [${name}]`,
    ignore: !available,
    async fn() {
      for (const model of models) {
        const { code, out, err } = await verify(filesOf(model), ...flags, "--json");
        assert.deepEqual({ code, err }, { code: 0, err: "" });
        const { passed, tolerance, tensors, config } = JSON.parse(out);
        assert.equal(passed, true);
        assert.equal(tolerance, 1e-4);
        assert.equal(config.family, "dit");
        assert.equal(tensors[0].name, "output.out");
        assert(tensors.length > 15);
        for (const { relativeError } of tensors) assert(relativeError < 1e-5);
      }
    },
  });
}

for (const { name, available } of deviceChoices.filter(({ name }) => !name.includes("strict"))) {
  Deno.test({
    name: `--dtype f16 tells what rounding the weights costs, of outputs alone [${name}]`,
    ignore: !available,
    async fn() {
      const flags = [...deviceFlags(name), "--dtype", "f16", "--tolerance", "1e-2"];
      const { code, out } = await verify(filesOf("dit-rgb-plain"), ...flags, "--json");
      const { dtype, passed, gradientsLeftOut, tensors } = JSON.parse(out);
      assert.deepEqual({ code, dtype, passed, tensors: tensors.length }, {
        ...{ code: 0, dtype: "f16", passed: true, tensors: 1 },
      });
      assert(gradientsLeftOut > 10);
      // Halves have 11 bits: more is lost than in single precision, less than in 8 bits.
      const [{ relativeError }] = tensors;
      assert(relativeError > 2e-5 && relativeError < 5e-3, `${relativeError}`);
    },
  });
}

Deno.test({
  name: "--activations f16 tells what rounding them costs, and gradients are compared too",
  ignore: !keepsHalves,
  async fn() {
    const files = filesOf("dit-rgb-plain");
    const kept = "grad.final_layer.linear.weight";
    const fewer = (tensors: Editable[]) =>
      tensors.filter(({ name }) => !name.startsWith("grad.") || name === kept);
    await withEdited(files.case, fewer, async (path) => {
      const flags = ["--device", "webgpu", "--activations", "f16", "--tolerance", "1e-2"];
      const { code, out } = await verify({ ...files, case: path }, ...flags, "--json");
      const { activations, passed, gradientsLeftOut, tensors } = JSON.parse(out);
      assert.deepEqual({ code, activations, passed, gradientsLeftOut, tensors: tensors.length }, {
        ...{ code: 0, activations: "f16", passed: true, gradientsLeftOut: 0, tensors: 2 },
      });
      for (const { name, relativeError } of tensors) {
        assert(relativeError > 2e-5 && relativeError < 5e-3, `${name}: ${relativeError}`);
      }
    });
  },
});

Deno.test("--activations f16 is refused on wasm in one line", async () => {
  const { code, out, err } = await verify(filesOf("dit-rgb-plain"), "--activations", "f16");
  assert.deepEqual({ code, out }, { code: 1, out: "" });
  assert.equal(
    err,
    "tessera: activations in f16: the wasm device (asked for) keeps f32 only; " +
      "f16 needs --device webgpu and an adapter with shader-f16\n",
  );
});

Deno.test("verify needs no prompt under the task's permissions, and prints a table", async () => {
  const { code, out, err } = await runTessera(verifyArguments("dit", filesOf("dit-rgb-plain")));
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  assert.match(out, /^output\.out +\d\.\d+e-\d+ .* ok$/m);
  assert.match(out, /^passed: \d+ tensors, tolerance 0\.0001 of the largest magnitude$/m);
});

Deno.test("one changed weight is found: exit code 1, the report is still whole", async () => {
  const files = filesOf("dit-pixel");
  const change = (tensors: Editable[]) => {
    find(tensors, "blocks.0.mlp.fc1.weight").values[5] += 0.5;
  };
  await withEdited(files.ckpt, change, async (weights) => {
    const { code, out, err } = await verify({ ...files, ckpt: weights }, "--json");
    assert.equal(code, 1);
    const { passed, tensors } = JSON.parse(out);
    assert.equal(passed, false);
    assert(tensors.some((tensor: { passed: boolean }) => !tensor.passed));
    assert.match(
      err,
      /^tessera: \d+ of \d+ tensors beyond the tolerance 0\.0001; the worst is .*\n$/,
    );
    const table = await verify({ ...files, ckpt: weights });
    assert.match(table.out, /BEYOND TOLERANCE/);
  });
});

Deno.test("the tolerance decides", async () => {
  const { code, err } = await verify(filesOf("dit-pixel"), "--tolerance", "1e-12");
  assert.equal(code, 1);
  assert.match(err, /beyond the tolerance 1e-12/);
});

Deno.test("a result that is not finite fails with valid JSON", async () => {
  const files = filesOf("dit-rgb-plain");
  const overflow = (tensors: Editable[]) => {
    find(tensors, "final_layer.linear.weight").values.fill(3e38);
  };
  await withEdited(files.ckpt, overflow, async (weights) => {
    const { code, out, err } = await verify({ ...files, ckpt: weights }, "--json");
    assert.equal(code, 1);
    const [output] = JSON.parse(out).tensors;
    assert.deepEqual([output.maximumError, output.relativeError, output.passed], [
      null,
      null,
      false,
    ]);
    assert.match(err, /not finite/);
  });
});

Deno.test("time steps and labels may be I64 or whole F32", async () => {
  const files = filesOf("dit-rgb-plain");
  for (const type of ["I64", "F32"] as const) {
    const retype = (tensors: Editable[]) => {
      for (const name of ["input.t", "input.y"]) find(tensors, name).type = type;
    };
    await withEdited(files.case, retype, async (path) => {
      assert.equal((await verify({ ...files, case: path })).code, 0, type);
    });
  }
});

Deno.test("only the output is compared where there are no gradients", async () => {
  const files = filesOf("dit-rgb-plain");
  const only = (tensors: Editable[]) =>
    tensors.filter(({ name }) => /^(?:input|output)/.test(name));
  await withEdited(files.case, only, async (path) => {
    const { code, out } = await verify({ ...files, case: path }, "--json");
    assert.equal(code, 0);
    assert.equal(JSON.parse(out).tensors.length, 1);
  });
});

Deno.test("cases that do not fit are refused with one line", async () => {
  const files = filesOf("dit-rgb-plain");
  const rename = (from: string, to: string) => (tensors: Editable[]) => {
    find(tensors, from).name = to;
  };
  const set = (name: string, value: number) => (tensors: Editable[]) => {
    find(tensors, name).values[0] = value;
  };
  const cases: [(tensors: Editable[]) => Editable[] | void, RegExp][] = [
    [
      rename("output.out", "output.outt"),
      /no tensor "output\.out"; the nearest are "output\.outt"/,
    ],
    [rename("input.t", "inputt"), /no tensor "input\.t"; the nearest are .*"inputt"/],
    [
      rename("grad.x", "grad.z"),
      /tensor "grad\.z" is not part of a DiT's case; the nearest are grad\.x/,
    ],
    [rename("cotangent.out", "other"), /needs the tensor cotangent\.out/],
    [
      (tensors) => void (find(tensors, "input.x").shape = [1, 6, 3, 6]),
      /input\.x has the shape \(1, 6, 3, 6\), the model needs \(1, 3, 6, 6\)/,
    ],
    [
      (tensors) => void (find(tensors, "output.out").shape = [3, 6, 6]),
      /output\.out has the shape \(3, 6, 6\), the model needs \(1, 3, 6, 6\)/,
    ],
    [set("input.t", 1000), /input\.t holds 1000 .*0 to 999; the nearest valid value is 999/],
    [set("input.t", -1), /input\.t holds -1 .*the nearest valid value is 0/],
    [set("input.y", 4), /input\.y holds 4 .*classes 0 to 2, and 3 for no class/],
    [set("input.x", NaN), /input\.x holds NaN at element 0/],
    [set("output.out", Infinity), /output\.out holds Infinity at element 0/],
    [
      (tensors) => {
        Object.assign(find(tensors, "input.t"), { type: "F32", values: [3.5] });
      },
      /input\.t holds 3\.5 at element 0, which is not a whole number/,
    ],
  ];
  for (const [edit, message] of cases) {
    await withEdited(files.case, edit, async (path) => {
      const { code, out, err } = await verify({ ...files, case: path }, "--json");
      assert.deepEqual({ code, out }, { code: 1, out: "" });
      assert.match(err, message);
      assert.equal(err.split("\n").length, 2, err);
    });
  }
});

Deno.test("weights that do not fit are refused with one line", async () => {
  const files = filesOf("dit-rgb-plain");
  const cases: [(tensors: Editable[]) => Editable[] | void, RegExp][] = [
    [
      (tensors) => void (find(tensors, "pos_embed").name = "position_embed"),
      /the parameter pos_embed is missing; the nearest is position_embed/,
    ],
    [
      (tensors) => [...tensors, { name: "extra", type: "F32", shape: [1], values: [0] }],
      /the model has no parameter extra; the nearest is/,
    ],
    [
      (tensors) => void (find(tensors, "blocks.0.attn.proj.weight").values[7] = NaN),
      /blocks\.0\.attn\.proj\.weight holds NaN at element 7/,
    ],
  ];
  for (const [edit, message] of cases) {
    await withEdited(files.ckpt, edit, async (weights) => {
      const { code, out, err } = await verify({ ...files, ckpt: weights });
      assert.deepEqual({ code, out }, { code: 1, out: "" });
      assert.match(err, message);
    });
  }
  const { err } = await verify({ ...files, ckpt: filesOf("dit-pixel").ckpt });
  assert.match(err, /the parameter pos_embed has the shape \(1, 9, 72\), not \(1, 4, 24\)/);
});

Deno.test("configs that contradict themselves or the weights are refused", async () => {
  const files = filesOf("dit-rgb-plain");
  const good = JSON.parse(await Deno.readTextFile(files.config));
  const cases: [string, RegExp][] = [
    [JSON.stringify({ ...good, heads: 5 }), /the width 24 is not divisible by 5 heads/],
    [
      JSON.stringify({ ...good, inputSize: 7 }),
      /side 7 is not divisible by the patch 3; nearest sides: 6 and 9/,
    ],
    [JSON.stringify({ ...good, family: "unet" }), /family/],
    [JSON.stringify({ ...good, width: 24 }), /width/],
    [JSON.stringify(good).replace("}", ',"depth":2}'), /the field "depth" is given twice/],
    [
      JSON.stringify({ ...good, depth: 2 }),
      /the parameter blocks\.1\.attn\.qkv\.weight is missing|not part of/,
    ],
    ["{", /not valid JSON/],
  ];
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    for (const [text, message] of cases) {
      await Deno.writeTextFile(path, text);
      const { code, out, err } = await verify({ ...files, config: path });
      assert.deepEqual({ code, out }, { code: 1, out: "" }, text);
      assert.match(err, message);
      assert.equal(err.split("\n").length, 2, err);
    }
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("missing files are named with exit code 1, missing flags with 2", async () => {
  const files = filesOf("dit-rgb-plain");
  for (const key of ["config", "ckpt", "case"] as const) {
    const missing = key === "config" ? "none.json" : "none.safetensors";
    const { code, err } = await verify({ ...files, [key]: missing });
    assert.deepEqual({ code, err }, { code: 1, err: `tessera: ${missing}: no such file\n` });
    const { [key]: _, ...rest } = files;
    const without = await verify(rest as VerifiedFiles);
    assert.equal(without.code, 2);
    assert(without.err.startsWith(`tessera: --${key} is needed`), without.err);
  }
  const unknown = await verify({ ...files, config: "DiT-S/5" });
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /unknown model DiT-S\/5; did you mean/);
});
