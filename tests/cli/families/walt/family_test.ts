/** W.A.L.T's denoiser as a family: what commands say of it. */
import assert from "node:assert/strict";
import { scale } from "../../../scale.ts";
import { deviceChoices } from "../../../devices.ts";
import { run, succeed } from "../../runs.ts";
import {
  deviceFlags,
  type Editable,
  filesOf,
  find,
  verifier,
  withEdited,
} from "../../verify_cases.ts";

const verify = verifier("walt");

const cases = ["walt_text", "walt_super", "walt_classes", "walt_pictures", "walt_prediction"];

/** An emulated GPU compiles for seconds: it takes the case with text, clips and pictures only. */
const casesOn = (device: string, strict: boolean) =>
  cases.slice(0, device === "webgpu" || strict ? scale(1, cases.length) : cases.length);

for (const { name, strict, available } of deviceChoices) {
  for (const model of casesOn(name, strict)) {
    Deno.test({
      name: `verify walt: ${model}, outputs and gradients are PyTorch's [${name}]`,
      ignore: !available,
      async fn() {
        const { code, out, err } = await verify(filesOf(model), ...deviceFlags(name), "--json");
        assert.deepEqual({ code, err }, { code: 0, err: "" });
        const { tensors: [output, ...gradients] } = JSON.parse(out);
        assert.equal(output.name, "output.v");
        assert(output.relativeError < 2e-5);
        assert(gradients.length > 30);
        for (const { name, relativeError } of gradients) assert(relativeError < 2e-4, name);
      },
    });
  }
}

Deno.test("verify walt: what does not fit is refused in one line", async () => {
  const edits: [string, (tensors: Editable[]) => Editable[] | void, RegExp][] = [
    [
      "walt_classes",
      (tensors) => void (find(tensors, "input.y").values[1] = 6),
      /input\.y holds 6 at element 1: the model has classes 0 to 4, and 5 for no class; the nearest/,
    ],
    [
      "walt_classes",
      (tensors) => void (find(tensors, "input.y").shape = [3, 2]),
      /input\.y has the shape \(3, 2\), the model needs \(N, G\) with G 1 or the 3 latent frames/,
    ],
    [
      "walt_classes",
      (tensors) => tensors.filter(({ name }) => name !== "input.selfCondition"),
      /input\.selfCondition/,
    ],
    [
      "walt_super",
      (tensors) => void (find(tensors, "input.isImage").values[0] = 2),
      /input\.isImage holds 2 at element 0: it is 0 or 1/,
    ],
    [
      "walt_super",
      (tensors) => void (find(tensors, "input.isImage").values[0] = 1),
      /input\.isImage: cross-attention in the windows of the layer is for clips alone/,
    ],
    [
      "walt_super",
      (tensors) => void (find(tensors, "input.noiseLevel").values[1] = 1000),
      /input\.noiseLevel holds 1000 at element 1: time steps are 0 to 999/,
    ],
  ];
  for (const [model, edit, message] of edits) {
    await withEdited(filesOf(model).case, edit, async (path) => {
      const { code, err } = await verify({ ...filesOf(model), case: path });
      assert.equal(code, 1, err);
      assert.match(err, message);
      assert.equal(err.trimEnd().split("\n").length, 1, err);
    });
  }
});

Deno.test("bench flops: the paper's parameters and the layers' multiply-adds by hand", async () => {
  const table = async (...flags: string[]) =>
    JSON.parse(await succeed("bench", "flops", "--format", "json", ...flags)).rows;
  const names = "WALT-L,WALT-XL,WALT-L-imagenet,WALT-L-text,WALT-SR2x,WALT-SR4x,WALT-3B";
  const rows = await table("--model", names);
  const counted = rows.map(({ model, parameters, paperMillions }: Record<string, unknown>) => [
    model,
    parameters,
    paperMillions,
  ]);
  assert.deepEqual(counted, [
    ["WALT-L", 313_237_384, 313],
    ["WALT-XL", 460_017_928, 460],
    ["WALT-L-imagenet", 460_392_840, 460],
    ["WALT-L-text", 419_293_064, 419],
    ["WALT-SR2x", 1_302_582_464, 1300],
    ["WALT-SR4x", 421_758_496, 419],
    ["WALT-3B", 3_120_883_144, 3000],
  ]);
  const byHand = rows.map(({ layersByHand }: { readonly layersByHand?: number }) => layersByHand);
  assert.deepEqual(byHand.slice(0, 4), [
    404_666_449_920,
    594_542_592_000,
    360_777_252_864,
    undefined,
  ]);
  for (const { difference } of rows.slice(0, 3)) assert(difference > 0 && difference < 6e-4);
  const ranks: [rank: string, parameters: number, millions: number][] = [
    ["4", 313_581_448, 314],
    ["16", 315_645_832, 316],
    ["64", 323_903_368, 324],
    ["256", 356_933_512, 357],
    ["full", 457_738_120, 458],
  ];
  for (const [rank, parameters, millions] of ranks) {
    const [row] = await table("--model", "WALT-L", "--adaln-rank", rank);
    assert.deepEqual([row.parameters, row.paperMillions], [parameters, millions]);
  }
});

Deno.test("windows cost what windows cost: the whole grid's multiply-adds, and those of smaller ones", async () => {
  const macs = async (...flags: string[]): Promise<number> =>
    JSON.parse(await succeed("info", "model", "WALT-L", "--json", ...flags)).macs;
  const usual = await macs();
  // Twelve layers, two products of 1,280 tokens of width 1,024 with the keys of their window.
  const perKey = 12 * 2 * 1280 * 1024;
  assert.equal(await macs("--spatio-temporal-window", "5,16,16") - usual, perKey * (1280 - 320));
  assert.equal(usual - await macs("--spatio-temporal-window", "5,4,4"), perKey * (320 - 80));
  const full = await macs("--spatial-window", "none", "--spatio-temporal-window", "5,16,16");
  assert.equal(full - usual, perKey * (1280 - 256 + 1280 - 320));
});

Deno.test("flags of a denoiser: fields that do not fit name the nearest valid ones", async () => {
  const lines: [string, RegExp][] = [
    ["--spatio-temporal-window 5,7,8", /7 does not divide 16 rows of patches; nearest: 4 and 8/],
    ["--spatio-temporal-window 4,8,8", /4 does not divide 5 latent frames; nearest: 1 and 5/],
    ["--spatial-window 16,17", /17 does not divide 16 columns of patches; nearest: 16/],
    ["--spatial-window 16", /--spatial-window 16: it takes 2 numbers between commas/],
    ["--latent-size 16,15 --patch 2", /width of the latent 15 is not divisible by the patch 2/],
    ["--heads 15", /the width 1024 is not divisible by 15 heads; nearest widths: 1020 and 1035/],
    ["--image-size 128", /--image-size: not for WALT-L, which is a W\.A\.L\.T/],
  ];
  for (const [flags, message] of lines) {
    const { code, err } = await run("info", "model", "WALT-L", ...flags.split(" "));
    assert.equal(code, 2, flags);
    assert.match(err, message);
    assert.equal(err.trimEnd().split("\n").length, 1, err);
  }
});
