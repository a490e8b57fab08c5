/** A terminal that is closed while a run writes to it: the run saves, or goes on under `nohup`. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { verifyCheckpoint } from "../../training/checkpoints/whole_checkpoint.ts";
import { exists, listCheckpoints, newestRun } from "../../training/runs/run_folder.ts";
import {
  checkpointOf,
  onWasm,
  succeed,
  tinyModel,
  withFolder,
  writeTinyData,
} from "../cli/runs.ts";
import { taskPermissions } from "../cli/support.ts";

/** Whether `script` is there, which makes terminals; that of other systems has other flags. */
const canOpenTerminal = Deno.build.os === "linux" &&
  ["/usr/bin/script", "/bin/script"].some((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!await isSo()) {
    assert(performance.now() < deadline, `never ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * Trains without checkpoints in a terminal of its own, closes that, and waits for the end.
 *
 * @param wrapper a command before the tool's
 * @returns the exit code and the run folder
 */
async function closeTerminal(
  folder: string,
  steps: number,
  wrapper = "",
): Promise<{ code: number; path: string }> {
  const data = await writeTinyData(join(folder, "data.npz"));
  const [results, codeFile] = [join(folder, "results"), join(folder, "code")];
  await Deno.mkdir(results);
  const words = [
    ...[
      Deno.execPath(),
      "run",
      ...taskPermissions,
      join(Deno.cwd(), "cli/main.ts"),
      "train",
      "dit",
      ...tinyModel,
    ],
    ...["--patch", "4", "--data-path", data, ...onWasm, "--results-dir", results],
    ...["--log-every", "1", "--ckpt-every", "1000000", "--steps", `${steps}`],
  ];
  const job = join(folder, "job.sh");
  // The shell outlives the hang-up to tell the exit code.
  await Deno.writeTextFile(
    job,
    `trap : HUP\n${wrapper} ${words.map(quoted).join(" ")}\necho $? > ${quoted(codeFile)}\n`,
  );
  const terminal = new Deno.Command("script", {
    // The shell around it leads the session, and ends with the terminal.
    args: ["-qec", `sh ${quoted(job)}; exit`, "/dev/null"],
    env: { XDG_RUNTIME_DIR: "/tmp", TERM: "xterm", SHELL: "/bin/sh" },
    cwd: folder, // where nohup writes
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const log = join(results, "000-DiT-XS-4", "log.txt");
  await until(
    "trained",
    async () => /step 0*20\//.test(await Deno.readTextFile(log).catch(() => "")),
  );
  terminal.kill("SIGKILL");
  await terminal.status;
  await terminal.stdin.close().catch(() => {}); // its other end is gone
  await until("ended", () => exists(codeFile));
  await until("written", async () => (await Deno.readTextFile(codeFile)).endsWith("\n"));
  return { code: Number(await Deno.readTextFile(codeFile)), path: await newestRun(results) };
}

Deno.test("a run saves when its terminal is closed", { ignore: !canOpenTerminal }, async () => {
  await withFolder(async (folder) => {
    const { code, path } = await closeTerminal(folder, 1_000_000);
    const log = await Deno.readTextFile(join(path, "log.txt"));
    assert.equal(code, 129, log);
    const last = Number((await listCheckpoints(path)).at(-1));
    assert(last >= 20 && last < 1_000_000);
    await verifyCheckpoint(checkpointOf(path, last));
    await succeed("train", "dit", "--resume", path, ...onWasm, "--steps", `${last + 1}`);
  });
});

Deno.test("under nohup it goes on to its end", { ignore: !canOpenTerminal }, async () => {
  await withFolder(async (folder) => {
    const { code, path } = await closeTerminal(folder, 2000, "nohup");
    assert.equal(code, 0, await Deno.readTextFile(join(path, "log.txt")));
    assert.equal(Number((await listCheckpoints(path)).at(-1)), 2000);
  });
});
