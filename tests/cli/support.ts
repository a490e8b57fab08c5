/**
 * A terminal that remembers, and the tool as a process with the permissions of its task.
 *
 * @module
 */
import { Io, type LogFormat, type Terminal } from "../../cli/terminal/io.ts";
import { nativeFolder } from "../../tools/native_folder.ts";
import { toolPermissions } from "../../tools/permissions.ts";

/** An `Io` that keeps what was written. */
export interface RecordedIo extends Io {
  readonly written: { out: string; err: string };
}

/** A terminal for tests; not live unless asked for. */
export function recordedIo(
  options: Partial<Pick<Terminal, "live" | "colour" | "columns">> = {},
  logFormat: LogFormat = "text",
): RecordedIo {
  const written = { out: "", err: "" };
  const terminal: Terminal = {
    live: false,
    colour: false,
    columns: () => 80,
    ...options,
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
  };
  return Object.assign(new Io(terminal, logFormat), { written });
}

/** What a finished process said. */
export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The permission flags of `deno task tessera`. */
export const taskPermissions: readonly string[] = toolPermissions(nativeFolder());

/** Runs `tessera` with the permissions of its task, or with others. */
export async function runTessera(
  args: readonly string[],
  permissions: readonly string[] = taskPermissions,
): Promise<Finished> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions, "cli/main.ts", ...args],
    env: { XDG_RUNTIME_DIR: "/tmp", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array<ArrayBuffer>) => new TextDecoder().decode(bytes);
  return { code, out: decode(stdout), err: decode(stderr) };
}
