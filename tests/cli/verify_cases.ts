/**
 * Cases of `tessera verify`, whole and with changes.
 *
 * @module
 */
import { main } from "../../cli/main.ts";
import {
  openSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from "../../formats/tensors/safetensors.ts";
import { recordedIo } from "./support.ts";

const fixtures = "tests/fixtures";

/** Files of a case; any can be replaced. */
export function filesOf(model: string) {
  return {
    config: `${fixtures}/${model}.config.json`,
    ckpt: `${fixtures}/${model}.weights.safetensors`,
    case: `${fixtures}/${model}.case.safetensors`,
  };
}

/** Files of a case by their flags. */
export type VerifiedFiles = ReturnType<typeof filesOf>;

/** The command line that verifies a case. */
export function verifyArguments(family: string, files: VerifiedFiles, ...rest: string[]): string[] {
  const flags = Object.entries(files).flatMap(([name, path]) => [`--${name}`, path]);
  return ["verify", family, ...flags, ...rest];
}

/** A function that verifies cases of a family, on one thread of the wasm device unless told. */
export function verifier(family: string) {
  return async (files: VerifiedFiles, ...rest: string[]) => {
    const io = recordedIo();
    const device = rest.includes("--device") ? [] : ["--device", "wasm", "--threads", "1"];
    const code = await main(verifyArguments(family, files, ...device, ...rest), io);
    return { code, ...io.written };
  };
}

/** Flags for a device of `../devices.ts`, by its name. */
export function deviceFlags(name: string): string[] {
  return name === "webgpu" ? ["--device", "webgpu"] : [
    ...["--device", "wasm", "--threads", name.includes("2 threads") ? "2" : "1"],
    ...(name.includes("strict") ? ["--strict-math"] : []),
  ];
}

/** A tensor as a test changes it. */
export interface Editable {
  name: string;
  type: "F32" | "I32" | "I64";
  shape: number[];
  values: number[];
}

/** Runs `body` with a changed copy of a safetensors file. */
export async function withEdited(
  path: string,
  edit: (tensors: Editable[]) => Editable[] | void,
  body: (path: string) => Promise<void>,
): Promise<void> {
  using reader = await openSafetensors(path);
  const tensors = [...reader.tensors.values()].map(({ name, type, shape }): Editable => ({
    name,
    type: type as Editable["type"],
    shape: [...shape],
    values: [...(type === "F32" ? reader.readFloat32(name) : reader.readInt32(name))],
  }));
  const edited = edit(tensors) ?? tensors;
  const copy = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    await writeSafetensors(copy, edited.map(stored));
    await body(copy);
  } finally {
    await Deno.remove(copy);
  }
}

function stored({ name, type, shape, values }: Editable): TensorToWrite {
  const data = type === "F32"
    ? Float32Array.from(values)
    : type === "I32"
    ? Int32Array.from(values)
    : BigInt64Array.from(values, BigInt);
  return { name, type, shape, data: () => data } as TensorToWrite;
}

/** The tensor of a name. */
export const find = (tensors: Editable[], name: string): Editable =>
  tensors.find((tensor) => tensor.name === name)!;
