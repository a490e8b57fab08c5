/** The table of devices: every entry leads to a device of its name, and `auto` to the best of them. */
import assert from "node:assert/strict";
import { deviceKind, deviceNames, everywhere, openDevice } from "../../kernels/devices.ts";
import { chooseDevice } from "../../kernels/select_device.ts";

for (const name of deviceNames) {
  const kind = await deviceKind(name);
  const { available } = await kind.probe();

  Deno.test(`the device ${name} is what its entry says`, async () => {
    assert.equal(kind.name, name);
    const limits = await kind.limits();
    assert(limits.buffer >= 128 * 2 ** 20 && (limits.total ?? Infinity) >= limits.buffer);
    const program = { name: "", buffers: [], steps: [], arenaBytes: 64, slots: [16, 48] };
    assert.equal(kind.temporaries(program).reduce((sum, bytes) => sum + bytes), 64);
  });

  Deno.test({
    name: `the device ${name} counts its memory as its entry says`,
    ignore: !available,
    async fn() {
      const device = await openDevice(name, { threads: 2 });
      try {
        assert.equal(device.kind, kind);
        assert.equal(device.allocatedBytes, 2 * (kind.threads?.scratchBytes ?? 0));
        const before = device.allocatedBytes;
        device.createBuffer("one", "i32", 1);
        assert.equal(device.allocatedBytes - before, kind.allocationUnit);
      } finally {
        device.close();
      }
    },
  });
}

Deno.test("auto takes the first device that computes in hardware, and says why", async () => {
  const reasons: string[] = [];
  let expected: string | undefined;
  for (const name of deviceNames) {
    const { available, software, reason } = await (await deviceKind(name)).probe();
    if (available && !software) {
      expected = name;
      if (reasons.length === 0) reasons.push(reason);
      break;
    }
    reasons.push(reason);
  }
  const { name, reason } = await chooseDevice({ device: "auto" });
  assert.deepEqual([name, reason], [expected, reasons.join("; ")]);
  assert.equal((await chooseDevice({ device: everywhere })).reason, "asked for");
});
