import assert from "node:assert/strict";

const program = `
import { exitCodeOf } from "./cli/terminal/errors.ts";
import { watchSignals } from "./cli/terminal/signals.ts";
import { processIo } from "./cli/terminal/io.ts";
const io = processIo();
using watch = watchSignals(io, "finishing the step");
const safePoint = new Promise((resolve) => watch.signal.addEventListener("abort", resolve));
const keepAlive = setInterval(() => {}, 1000);
io.out("ready");
await safePoint;
if (Deno.args[0] === "stubborn") await new Promise(() => {});
if (Deno.args[0] === "slow") await new Promise((resolve) => setTimeout(resolve, 500));
clearInterval(keepAlive);
io.out("saved");
Deno.exit(exitCodeOf(watch.signal.reason));
`;

/** Sends a signal to a process, which on a busy machine may have come to its end before. */
function sendTo(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Starts the program, sends it signals one after the other, and waits for its end. */
async function stop(mode: string, signals: Deno.Signal[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-env=TERM", "--ext=ts", "-", mode],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(program));
  await stdin.close();
  const [out, err] = [child.stdout, child.stderr]
    .map((stream) => stream.pipeThrough(new TextDecoderStream()).getReader());
  let printed = (await out.read()).value ?? "";
  let message = "";
  for (const signal of signals) {
    sendTo(child, signal);
    if (!message) message = (await err.read()).value ?? "";
  }
  for (let part = await out.read(); !part.done; part = await out.read()) printed += part.value;
  const { code } = await child.status;
  await err.cancel();
  return { code, printed, message };
}

const posix = { ignore: Deno.build.os === "windows" };

Deno.test("the first signal lets the run save and exits with 129, 130 or 143", posix, async () => {
  for (const [signal, code] of [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const) {
    assert.deepEqual(await stop("polite", [signal]), {
      code,
      printed: "ready\nsaved\n",
      message: "tessera: finishing the step; once more to leave at once\n",
    });
  }
});

Deno.test("the second signal leaves at once", posix, async () => {
  const { code, printed } = await stop("stubborn", ["SIGINT", "SIGINT"]);
  assert.deepEqual({ code, printed }, { code: 130, printed: "ready\n" });
});

Deno.test(
  "a second hang-up, which the shell adds to the system's, lets the run save",
  posix,
  async () => {
    const { code, printed } = await stop("slow", ["SIGHUP", "SIGHUP"]);
    assert.deepEqual({ code, printed }, { code: 129, printed: "ready\nsaved\n" });
  },
);
