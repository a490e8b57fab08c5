/**
 * The parts of Linux that Deno does not offer: small file systems, named pipes, and limits of a
 * process.
 *
 * @module
 */
import assert from "node:assert/strict";

const functions = {
  mount: { parameters: ["buffer", "buffer", "buffer", "u64", "buffer"], result: "i32" },
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  mkfifo: { parameters: ["buffer", "u32"], result: "i32" },
  signal: { parameters: ["i32", "pointer"], result: "pointer" },
} as const;

const flags = { readOnly: 1n, remount: 32n } as const;

/** Calls one function of the C library; other systems have none of that name. */
function call<const Name extends keyof typeof functions>(
  name: Name,
  use: (library: Deno.DynamicLibrary<typeof functions>["symbols"][Name]) => unknown,
): boolean {
  const library = Deno.dlopen("libc.so.6", functions);
  try {
    return use(library.symbols[name]) === 0;
  } finally {
    library.close();
  }
}

const text = (value: string) => new TextEncoder().encode(`${value}\0`);

/** A file system in memory. */
export interface Disk {
  /** Where it is. */
  readonly path: string;
  /** Sets its size in bytes and whether it can be written to; false while files are being written. */
  change(bytes: number, options?: { readOnly: boolean }): boolean;
}

function mount(path: string, bytes: number, mode: bigint): boolean {
  const [type, options] = [text("tmpfs"), text(`size=${bytes}`)];
  return call("mount", (mount) => mount(type, text(path), type, mode, options));
}

/** Whether this process may mount file systems. */
export function canMount(): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const path = Deno.makeTempDirSync({ prefix: "tessera mount " });
  const mounted = mount(path, 4096, 0n);
  if (mounted) unmount(path);
  Deno.removeSync(path);
  return mounted;
}

function unmount(path: string): void {
  const whenUnused = 2;
  assert(call("umount2", (umount) => umount(text(path), whenUnused)), `${path} stays mounted`);
}

/** Runs `body` with a disk of `bytes` bytes, in pages of 4 KiB. */
export async function withDisk(
  bytes: number,
  body: (disk: Disk) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "tessera disk " });
  assert(mount(path, bytes, 0n), "cannot mount");
  try {
    await body({
      path,
      change: (size, { readOnly } = { readOnly: false }) =>
        mount(path, size, flags.remount | (readOnly ? flags.readOnly : 0n)),
    });
  } finally {
    unmount(path);
    await Deno.remove(path);
  }
}

/** Makes a named pipe: whoever opens it waits for somebody at the other end. */
export function makePipe(path: string): void {
  assert(call("mkfifo", (mkfifo) => mkfifo(text(path), 0o600)), `${path}: no pipe`);
}

/** Limits the length of the files that this process writes; what is longer fails like a quota. */
export function limitFileLength(bytes: number): void {
  const [fileSize, tooLong, ignore] = [1, 25, Deno.UnsafePointer.create(1n)];
  call("signal", (signal) => signal(tooLong, ignore));
  const limit = BigUint64Array.of(BigInt(bytes), BigInt(bytes));
  assert(call("setrlimit", (setrlimit) => setrlimit(fileSize, limit)));
}
