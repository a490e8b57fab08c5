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
  answer?: boolean;
  adapter?: (ran: readonly string[], backend?: string) => AdapterSummary | undefined;
}) {
  const ran: string[] = [];
  const said: string[] = [];
  const machine: Machine = {
    os: options.os ?? "linux",
    isRoot: options.isRoot ?? false,
    distributions: options.distributions ?? ["debian"],
    say: (line) => said.push(line),
    agrees: (question) => {
      said.push(question);
      return options.answer ?? false;
    },
    run: (program, ...args) => {
      const command = [program === Deno.execPath() ? "deno" : program, ...args].join(" ");
      ran.push(command);
      return Promise.resolve(!options.failing || !command.startsWith(options.failing));
    },
    findAdapter: (backend) => Promise.resolve(options.adapter?.(ran, backend)),
  };
  return { machine, ran, said };
}

/** What the user has said beforehand. */
const silent = { requireAdapter: false, mayInstall: false };
const required = { requireAdapter: true, mayInstall: true };

const packages = [
  "deno install --quiet --frozen",
  "deno cache --quiet --frozen cli/main.ts",
];
const aptUpdate = "/usr/bin/apt-get update -qq";
const aptInstall = "/usr/bin/apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers";

Deno.test("nothing is installed where there is an adapter", async () => {
  const { machine, ran, said } = fakeMachine({ isRoot: true, adapter: () => software });
  assert.equal(await setup(machine, required), true);
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
  assert.equal(await setup(machine, required), true);
  assert.deepEqual(ran, [...packages, aptUpdate, aptInstall]);
  assert.equal(said.length, 2);
});

Deno.test("root is asked before a package of the system is installed, and told how to do it", async () => {
  const adapter = (ran: readonly string[]) => ran.includes(aptInstall) ? software : undefined;
  const question = "setup: no Vulkan driver; install mesa-vulkan-drivers, a software one?";

  const agreed = fakeMachine({ isRoot: true, adapter, answer: true });
  assert.equal(await setup(agreed.machine, silent), true);
  assert.deepEqual(agreed.ran, [...packages, aptUpdate, aptInstall]);
  assert.equal(agreed.said[0], question);

  const refused = fakeMachine({ isRoot: true, adapter, answer: false });
  assert.equal(await setup(refused.machine, silent), true);
  assert.deepEqual(refused.ran, packages);
  assert.deepEqual(refused.said, [
    question,
    "setup: no WebGPU adapter; to get a software one: apt-get install -y mesa-vulkan-drivers",
    "setup: ready; everything runs on the CPU through WebAssembly",
  ]);

  const allowed = fakeMachine({ isRoot: true, adapter });
  assert.equal(await setup(allowed.machine, { requireAdapter: false, mayInstall: true }), true);
  assert.deepEqual(allowed.ran, [...packages, aptUpdate, aptInstall]);
  assert.ok(!allowed.said.includes(question));
});

Deno.test("a user without rights is told the one command and goes on with the CPU", async () => {
  const { machine, ran, said } = fakeMachine({});
  assert.equal(await setup(machine, silent), true);
  assert.deepEqual(ran, packages);
  assert.deepEqual(said, [
    "setup: no WebGPU adapter; to get a software one: sudo apt-get install -y mesa-vulkan-drivers",
    "setup: ready; everything runs on the CPU through WebAssembly",
  ]);
});

Deno.test("an adapter through OpenGL will do where Vulkan cannot be installed", async () => {
  const adapter = (_: readonly string[], backend?: string) => backend ? undefined : software;
  const { machine, said } = fakeMachine({ adapter });
  assert.equal(await setup(machine, required), true);
  assert.match(said[0], /^setup: ready; WebGPU adapter/);
});

Deno.test("a required adapter that cannot be had is a failure", async () => {
  const failing = fakeMachine({ isRoot: true, failing: "/usr/bin/apt-get" });
  assert.equal(await setup(failing.machine, required), false);
  assert.match(failing.said.at(-1)!, /TESSERA_REQUIRE_WEBGPU/);
  const other = fakeMachine({ os: "darwin", distributions: [] });
  assert.equal(await setup(other.machine, required), false);
  assert.equal(other.said[0], "setup: no WebGPU adapter");
});

Deno.test("packages that cannot be fetched are a failure", async () => {
  const { machine, said } = fakeMachine({ failing: "deno", adapter: () => software });
  assert.equal(await setup(machine, silent), false);
  assert.deepEqual(said, [
    "setup: fetching the packages failed; is the npm registry reachable?",
  ]);
});
