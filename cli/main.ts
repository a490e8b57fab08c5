/**
 * The command line: finds the subcommand, loads it, and turns the way it ends into an exit code.
 *
 * @module
 */
import { Command } from "commander";
import { commands } from "./commands.ts";
import {
  describeError,
  ExitCode,
  exitCodeOf,
  fromCommander,
  UsageError,
} from "./terminal/errors.ts";
import { enterUsersFolder, type Io, type LogFormat, processIo } from "./terminal/io.ts";
import { denoProblem, describeVersions, versions } from "./terminal/version.ts";

/**
 * Runs one command line.
 *
 * @param args Everything after the program's name.
 * @returns The exit code: 0 ok, 1 failure, 2 usage, 3 numbers that are not finite, 129, 130 or 143 for signals.
 */
export async function main(args: readonly string[], terminal: Io): Promise<number> {
  const io = terminal.withLogFormat(logFormatOf(args));
  try {
    const problem = denoProblem();
    if (problem) throw new UsageError(problem);
    const program = await createProgram(args, io);
    await program.parseAsync(args, { from: "user" });
    return ExitCode.success;
  } catch (error) {
    if (error instanceof Answered) return error.exitCode;
    io.leaveLine();
    const [message, exitCode] = [describeError(error, args.includes("--debug")), exitCodeOf(error)];
    io.explain(`tessera: ${message}`, { error: message, exitCode });
    return exitCode;
  }
}

/** The format of stderr, known before anything is read or refused: errors are written in it too. */
function logFormatOf(args: readonly string[]): LogFormat {
  const flag = "--log-format";
  const wantsJson = args.includes(`${flag}=json`) ||
    args.some((word, index) => word === flag && args[index + 1] === "json");
  return wantsJson ? "json" : "text";
}

/** Help or versions have been printed: nothing is left to do or to say. */
class Answered extends Error {
  constructor(readonly exitCode: number) {
    super();
  }
}

/** The program with the one subcommand loaded that `args` asks for; the others are names only. */
async function createProgram(args: readonly string[], io: Io): Promise<Command> {
  const program = new Command("tessera")
    .description("Train, sample and measure diffusion and vision transformers on any GPU or CPU.")
    .option("-V, --version", "print the versions of Tessera, Deno, V8 and TypeScript")
    .option("--debug", "print stack traces")
    .on("option:version", () => {
      io.out(describeVersions(versions()));
      throw new Answered(ExitCode.success);
    });
  const [first, second] = args.filter((word) => !word.startsWith("-"));
  const called = first === "help" ? second : first;
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = name === called ? await (await load()).command(io, args) : new Command(name);
    program.addCommand(command.summary(summary));
  }
  program.addHelpText("after", "\nRun tessera COMMAND --help for flags, defaults and examples.");
  configure(program, io);
  return program;
}

/** Makes a command and those below it write to `io` and throw instead of ending the process. */
function configure(command: Command, io: Io): void {
  command
    .configureOutput({
      writeOut: (text) => io.out(text.replace(/\n$/, "")),
      writeErr: (text) => io.explain(text.replace(/\n$/, "")),
      // The message arrives once more in the exception, and is printed there.
      outputError: () => {},
      getOutHelpWidth: () => io.columns(),
      getErrHelpWidth: () => io.columns(),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .helpOption("-h, --help", "show this help")
    .configureHelp({ showGlobalOptions: true })
    .exitOverride((error) => {
      if (error.exitCode === 0) throw new Answered(ExitCode.success);
      // Commander shows the help where a subcommand is missing, and calls that a failure.
      if (error.code === "commander.help") throw new Answered(ExitCode.usage);
      throw fromCommander(error, commandPath(command));
    });
  for (const child of command.commands) configure(child, io);
}

function commandPath(command: Command): string {
  return command.parent ? `${commandPath(command.parent)} ${command.name()}` : command.name();
}

if (import.meta.main) {
  enterUsersFolder();
  // Explicit, because a worker that waits for work would keep the process alive.
  Deno.exit(await main(Deno.args, processIo()));
}
