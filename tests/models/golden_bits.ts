/**
 * The golden models on any form of the CPU device, as bits.
 *
 * @module
 */
import { openSafetensors } from "../../formats/tensors/safetensors.ts";
import { compile } from "../../kernels/graph/compile.ts";
import type { HostArray } from "../../kernels/shape.ts";
import { createWasmDevice, type WasmDeviceOptions } from "../../kernels/wasm/device.ts";
import type { VerificationCase } from "../../evaluation/verify/verification.ts";
import { readDiTCase } from "../../models/dit/case.ts";
import { readNaViTCase } from "../../models/navit/case.ts";
import type { NaViTConfig } from "../../models/navit/model.ts";
import { loadConfig } from "../golden.ts";

const folder = `${import.meta.dirname}/../fixtures/`;

/** The output and all gradients of a case, as bits. */
async function results(
  options: WasmDeviceOptions,
  { graph, inputs, expected }: VerificationCase,
  weights: ReadonlyMap<string, HostArray>,
): Promise<Map<string, Int32Array>> {
  const device = await createWasmDevice(options);
  try {
    const executable = await device.load(compile(graph));
    for (const [name, data] of [...weights, ...inputs]) executable.buffer(name).write(data);
    executable.run();
    const read = async ({ name }: { readonly name: string }) => {
      const { buffer } = await executable.buffer(name).read();
      return [name, new Int32Array(buffer)] as const;
    };
    return new Map(await Promise.all(expected.map(read)));
  } finally {
    device.close();
  }
}

async function weightsOf(name: string): Promise<Map<string, HostArray>> {
  using reader = await openSafetensors(`${folder}${name}.weights.safetensors`);
  return new Map([...reader.tensors.keys()].map((tensor) => [tensor, reader.readFloat32(tensor)]));
}

const readers: Readonly<Record<string, (path: string, name: string) => Promise<VerificationCase>>> =
  {
    dit: async (path, name) => await readDiTCase(path, await loadConfig(name)),
    navit: async (path, name) => await readNaViTCase(path, await loadConfig<NaViTConfig>(name)),
  };

const families: Readonly<Record<string, readonly string[]>> = {
  dit: ["dit-latent", "dit-pixel", "dit-rgb-plain"],
  navit: ["navit_factorized", "navit_biased"],
};

/** Names of the golden models. */
export const goldenModels = Object.values(families).flat();

/** A golden model's graph, its inputs, and its weights. */
export async function goldenCase(
  name: string,
): Promise<{ loaded: VerificationCase; weights: Map<string, HostArray> }> {
  const family = Object.keys(families).find((family) => families[family].includes(name))!;
  const loaded = await readers[family](`${folder}${name}.case.safetensors`, name);
  return { loaded, weights: await weightsOf(name) };
}

/** The output and all gradients of a golden model on one device after another. */
export async function goldenBits(
  name: string,
  devices: readonly WasmDeviceOptions[],
): Promise<Map<string, Int32Array>[]> {
  const { loaded, weights } = await goldenCase(name);
  const found = [];
  for (const options of devices) found.push(await results(options, loaded, weights));
  return found;
}
