import assert from "node:assert/strict";
import { main } from "../../../cli/main.ts";
import { recordedIo } from "../support.ts";

const cases: Readonly<Record<string, RegExp>> = {
  "dit --image-size 30 --patch 4": /the side 30 is not divisible by the patch 4; nearest sides: 28/,
  "dit --image-size 32 --hidden 65 --heads 4": /65 is not divisible by/,
  "vae --image-size 30":
    /the side 30 is not divisible by 4; nearest sides \(--image-size\): 28 and/,
  "vae --groups 5": /the width 16 is not divisible by 5 groups/,
  "tokenizer --size 30": /the height 30 is not divisible by 8; nearest heights: 24 and 32/,
  "tokenizer --size 32 --frames 16": /16 frames are not 1 \+ a multiple of 4; .*13 and 17/,
};

for (const [flags, message] of Object.entries(cases)) {
  Deno.test(`train ${flags}: refused before any data are looked for`, async () => {
    const io = recordedIo();
    const line = `train ${flags} --data-path /nowhere`;
    assert.equal(await main(line.split(" "), io), 2);
    assert.match(io.written.err, message);
    assert.equal(io.written.err.trimEnd().split("\n").length, 1, io.written.err);
  });
}
