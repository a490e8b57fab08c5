import assert from "node:assert/strict";
import fc from "fast-check";
import { aspectFlags } from "../../../cli/bench/aspect_flags.ts";
import { reportFlags } from "../../../cli/bench/sweep.ts";
import { trainDitFlags } from "../../../cli/families/dit/train_flags.ts";
import { evalNaViTFlags } from "../../../cli/families/navit/eval_flags.ts";
import { navitTrainFlags } from "../../../cli/families/navit/train_flags.ts";
import { requireResumable } from "../../../cli/flags/train_flags.ts";
import { main } from "../../../cli/main.ts";
import { recordedIo } from "../support.ts";
import { UsageError } from "../../../cli/terminal/errors.ts";
import {
  alias,
  define,
  flag,
  type Flags,
  group,
  optional,
  parseFlags,
  toggle,
} from "../../../cli/flags/flags.ts";
import { deviceFlags, modelFlags, progressFlags, seedFlags } from "../../../cli/flags/options.ts";
import { choice, integer, list, number, type Parser, text } from "../../../cli/flags/parsers.ts";

function message(parse: Parser<unknown>, value: string): string {
  try {
    parse(value, "--flag");
  } catch (error) {
    assert(error instanceof UsageError);
    return error.message;
  }
  throw new Error(`${value} was accepted`);
}

Deno.test("numbers name the flag, the value and the nearest valid values", () => {
  const cases: [Parser<unknown>, string, string][] = [
    [
      integer({ min: 1, max: 8 }),
      "0",
      "0 is out of range: it must be from 1 to 8, the nearest valid value is 1",
    ],
    [
      integer({ min: 1, max: 8 }),
      "9",
      "9 is out of range: it must be from 1 to 8, the nearest valid value is 8",
    ],
    [
      integer({ min: 1 }),
      "-3",
      "-3 is out of range: it must be at least 1, the nearest valid value is 1",
    ],
    [integer({ min: 1 }), "2.5", "2.5 is not a whole number: the nearest are 2 and 3"],
    [integer({ min: 1 }), "1e300", "1e300 is not a whole number: it is too large"],
    [integer({ min: 1, max: 8 }), "four", '"four" is not a whole number (from 1 to 8)'],
    [integer(), "", '"" is not a whole number'],
    [number({ above: 0 }), "0", "0 is out of range: it must be above 0"],
    [
      number({ max: 1 }),
      "1.5",
      "1.5 is out of range: it must be at most 1, the nearest valid value is 1",
    ],
    [number({ min: 0 }), "nan", '"nan" is not a number (at least 0)'],
    [number(), "0x10", '"0x10" is not a number'],
    [number(), "Infinity", '"Infinity" is not a number'],
  ];
  for (const [parse, value, expected] of cases) {
    assert.equal(message(parse, value), `--flag ${expected}`);
  }
});

Deno.test("numbers are read in every usual notation", () => {
  assert.equal(integer()("50_000", ""), 50000);
  assert.equal(integer()("5e4", ""), 50000);
  assert.equal(number()("1e-4", ""), 1e-4);
  assert.equal(number()(".5", ""), 0.5);
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => integer()(String(value), "") === value));
  fc.assert(
    fc.property(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      (value) => Object.is(number()(String(value), "") + 0, value + 0),
    ),
  );
});

Deno.test("words name the nearest one and all of them", () => {
  const device = choice("auto", "webgpu", "wasm");
  assert.equal(device("wasm", "--flag"), "wasm");
  assert.equal(
    message(device, "webgp"),
    '--flag "webgp" is not known; did you mean webgpu? It takes auto, webgpu or wasm',
  );
  assert.equal(message(device, "zzz"), '--flag "zzz" is not known; it takes auto, webgpu or wasm');
});

Deno.test("lists hold at least one entry and none that is empty", () => {
  assert.deepEqual(list(integer())("1, 2,3", ""), [1, 2, 3]);
  assert.equal(message(list(integer()), "1,,2"), '--flag "1,,2" has an empty entry');
  assert.equal(message(list(text), ""), '--flag "" has an empty entry');
  assert.equal(message(text, ""), "--flag needs a value that is not empty");
});

const flags = {
  depth: flag("--depth <n>", "blocks", integer({ min: 1 }), 12),
  outFile: optional("--out-file <file>", "result", text),
  json: toggle("--json", "machine-readable"),
};

Deno.test("values have defaults, and it is known which were given", () => {
  assert.deepEqual(parseFlags(flags, []), {
    values: { depth: 12, outFile: undefined, json: false },
    given: new Set(),
    written: {},
  });
  assert.deepEqual(parseFlags(flags, ["--json", "--depth=12", "--out-file", "a b"]), {
    values: { depth: 12, outFile: "a b", json: true },
    given: new Set(["depth", "outFile", "json"]),
    written: { depth: "12", outFile: "a b", json: true },
  });
});

Deno.test("a flag without its value, an operand and an unknown flag are usage errors", () => {
  assert.throws(() => parseFlags(flags, ["--depth"]), /^UsageError: option '--depth <n>' argument/);
  assert.throws(() => parseFlags(flags, ["x"]), /^UsageError: too many arguments/);
  assert.throws(() => parseFlags(flags, ["--dept", "1"]), /did you mean --depth\?/);
});

Deno.test("a flag that is listed under another name is refused at once", () => {
  assert.throws(() => parseFlags({ depth: flags.json }, []), /--json is listed as depth/);
});

Deno.test("help shows groups, defaults and examples", () => {
  const help: string[] = [];
  define({
    name: "demo",
    summary: "show",
    flags: { ...group("Shape:", flags), size: flag("--size <n>", "side", integer(), 1, "as data") },
    examples: [["tessera demo", "the first thing to try"]],
    run: () => {},
  }).configureOutput({ writeOut: (text) => help.push(text) }).outputHelp();
  const text = help.join("");
  assert.match(text, /^Shape:\n {2}--depth <n> +blocks \(default: 12\)$/m);
  assert.match(text, /--size <n> +side \(default: as data\)/);
  assert.match(text, /--json +machine-readable$/m);
  assert.match(text, /Examples:\n {2}# the first thing to try\n {2}tessera demo\n$/);
});

Deno.test("the shared groups fit together", () => {
  const shared = { ...modelFlags, ...deviceFlags, ...seedFlags, ...progressFlags };
  const { values } = parseFlags(shared, [
    "--depth",
    "2",
    "--device",
    "wasm",
    "--threads",
    "2",
    "-q",
  ]);
  assert.equal(values.depth, 2);
  assert.equal(values.device, "wasm");
  assert.equal(values.threads, 2);
  assert.equal(values.quiet, true);
  assert.equal(values.seed, 0);
  assert.throws(
    () => parseFlags(shared, ["--threads", "0"]),
    /--threads 0 .* nearest valid value is 1$/,
  );
  assert.throws(() => parseFlags(shared, ["--device", "gpu"]), /--device "gpu" .*webgpu/);
  assert.throws(
    () => parseFlags(shared, ["--seed", "-1"]),
    /--seed -1 .* nearest valid value is 0$/,
  );
});

Deno.test("other names of a flag are read like it, and are not in the help", () => {
  const known = {
    ckpt: alias(optional("--ckpt <path>", "weights", text), "--checkpoint", "-c"),
    batchSize: alias(flag("--batch-size <n>", "pictures", integer({ min: 1 }), 8), "--batch"),
  };
  for (const args of [["--ckpt", "a"], ["--checkpoint", "a"], ["--checkpoint=a"], ["-c", "a"]]) {
    assert.deepEqual(parseFlags(known, args), {
      values: { ckpt: "a", batchSize: 8 },
      given: new Set(["ckpt"]),
      written: { ckpt: "a" },
    });
  }
  assert.equal(parseFlags(known, ["--batch-size", "2", "--batch", "3"]).values.batchSize, 3);
  assert.throws(() => parseFlags(known, ["--batch", "0"]), /UsageError: --batch 0 is out of range/);
  const help: string[] = [];
  const command = { name: "demo", summary: "show", examples: [], run: () => {} };
  define({ ...command, flags: group("Input:", known) })
    .configureOutput({ writeOut: (text) => help.push(text) }).outputHelp();
  assert.match(help.join(""), /--ckpt <path>/);
  assert.doesNotMatch(help.join(""), /--checkpoint|-c\b|--batch\b(?!-)/);
});

Deno.test("every command takes the names that its flags had before", () => {
  const before: [Flags, string, string, string][] = [
    [trainDitFlags, "--global-batch-size", "batchSize", "4"],
    [trainDitFlags, "--sample-steps", "numSamplingSteps", "4"],
    [navitTrainFlags, "--sequences", "batchSize", "4"],
    [evalNaViTFlags, "--checkpoint", "ckpt", "run"],
    [evalNaViTFlags, "--results-file", "out", "report.html"],
    [aspectFlags, "--chart", "out", "chart.svg"],
    [reportFlags, "--output", "format", "md"],
    [reportFlags, "-o", "format", "md"],
  ];
  for (const [flags, name, value, text] of before) {
    const { values, given } = parseFlags(flags, [name, text]);
    assert.deepEqual([...given], [value]);
    assert.equal(String(values[value]), text);
  }
});

Deno.test("a checkpoint, a result and a batch have one name in all commands", async () => {
  const help = async (...words: string[]) => {
    const io = recordedIo();
    assert.equal(await main([...words, "--help"], io), 0);
    return io.written.out;
  };
  const commands = [
    ...[
      "train dit",
      "train navit",
      "sample dit",
      "eval navit",
      "demo",
      "plot",
      "verify dit",
      "verify navit",
    ],
    ...["export checkpoint", "export tensorboard", "info model", "info checkpoint"],
    ...["flops", "throughput", "packing", "attention", "product", "aspect"].map((name) =>
      `bench ${name}`
    ),
  ];
  const others = /--(?:checkpoint|batch|global-batch-size|sequences|output|results-file|chart)[ =]/;
  for (const command of commands) {
    assert.doesNotMatch(await help(...command.split(" ")), others, command);
  }
});

Deno.test("a resumed run takes the flags whose rows say so", () => {
  for (const flags of [trainDitFlags, navitTrainFlags] as Flags[]) {
    const resumed = (...given: string[]) =>
      requireResumable(flags, {
        values: { resume: "auto", fork: undefined, allowChanges: undefined },
        given: new Set(["resume", ...given]),
      });
    resumed("steps", "dataPath", "device", "quiet", "keep");
    assert.throws(
      () => resumed("batchSize"),
      /^UsageError: --resume goes on with .* so --batch-size cannot be given; use --init-from /,
    );
  }
});
