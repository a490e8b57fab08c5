import assert from "node:assert/strict";
import type { AdapterSummary } from "../../tools/adapter.ts";
import { type Machine, setup } from "../../tools/setup.ts";

const software: AdapterSummary = { description: "llvmpipe", software: true };

/** A machine that remembers what was run and said. `adapter` is asked after each command. */
function fakeMachine(options: {
  os?: Machine["os"];
  isRoot?: boolean;
  distributions?: string[];
  failing?: string;
  adapter?: (ran: readonly string[], backend?: string) => AdapterSummary | undefined;
}) {
  const ran: string[] = [];
  const said: string[] = [];
  const machine: Machine = {
    os: options.os ?? "linux",
    isRoot: options.isRoot ?? false,
    distributions: options.distributions ?? ["debian"],
    say: (line) => said.push(line),
    run: (program, ...args) => {
      const command = [program === Deno.execPath() ? "deno" : program, ...args].join(" ");
      ran.push(command);
      return Promise.resolve(!options.failing || !command.startsWith(options.failing));
    },
    findAdapter: (backend) => Promise.resolve(options.adapter?.(ran, backend)),
  };
  return { machine, ran, said };
}

const packages = [
  "deno install --quiet --frozen",
  "deno cache --quiet --frozen cli/main.ts",
];
const aptUpdate = "apt-get update -qq";
const aptInstall = "apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers";

Deno.test("nothing is installed where there is an adapter", async () => {
  const { machine, ran, said } = fakeMachine({ isRoot: true, adapter: () => software });
  assert.equal(await setup(machine, true), true);
  assert.deepEqual(ran, packages);
  assert.deepEqual(said, [
    "setup: ready; WebGPU adapter: llvmpipe (software, computes on the CPU)",
  ]);
});

Deno.test("root on Debian gets the driver", async () => {
  const { machine, ran, said } = fakeMachine({
    isRoot: true,
    distributions: ["linuxmint", "ubuntu", "debian"],
    adapter: (ran) => ran.includes(aptInstall) ? software : undefined,
  });
  assert.equal(await setup(machine, true), true);
  assert.deepEqual(ran, [...packages, aptUpdate, aptInstall]);
  assert.equal(said.length, 2);
});

Deno.test("a user without rights is told the one command and goes on with the CPU", async () => {
  const { machine, ran, said } = fakeMachine({});
  assert.equal(await setup(machine, false), true);
  assert.deepEqual(ran, packages);
  assert.deepEqual(said, [
    "setup: no WebGPU adapter; to get a software one: sudo apt-get install -y mesa-vulkan-drivers",
    "setup: ready; everything runs on the CPU through WebAssembly",
  ]);
});

Deno.test("an adapter through OpenGL will do where Vulkan cannot be installed", async () => {
  const adapter = (_: readonly string[], backend?: string) => backend ? undefined : software;
  const { machine, said } = fakeMachine({ adapter });
  assert.equal(await setup(machine, true), true);
  assert.match(said[0], /^setup: ready; WebGPU adapter/);
});

Deno.test("a required adapter that cannot be had is a failure", async () => {
  const failing = fakeMachine({ isRoot: true, failing: "apt-get" });
  assert.equal(await setup(failing.machine, true), false);
  assert.match(failing.said.at(-1)!, /TESSERA_REQUIRE_WEBGPU/);
  const other = fakeMachine({ os: "darwin", distributions: [] });
  assert.equal(await setup(other.machine, true), false);
  assert.equal(other.said[0], "setup: no WebGPU adapter");
});

Deno.test("packages that cannot be fetched are a failure", async () => {
  const { machine, said } = fakeMachine({ failing: "deno", adapter: () => software });
  assert.equal(await setup(machine, false), false);
  assert.deepEqual(said, [
    "setup: fetching the packages failed; is the npm registry reachable?",
  ]);
});
