import { Command, CommanderError } from "commander";
import { describeError, type ExitCode, exitCode } from "./errors.js";
import { type InspectOptions, inspect } from "./inspect.js";
import { processTerminal, type Terminal } from "./terminal.js";
import { VERSION } from "./version.js";

/**
 * Runs the command line.
 * @param args what follows the executable's name
 * @returns the exit code: 0, 1 where the command failed (one sentence on standard error), 2 where it was mistyped
 */
export async function runCommandLine(args: readonly string[]): Promise<ExitCode> {
  const terminal = processTerminal();
  let code: ExitCode = exitCode.OK;
  const program = buildProgram(terminal, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.code === "commander.helpDisplayed" || error.code === "commander.version"
        ? exitCode.OK
        : exitCode.USAGE;
    }
    // Whoever reads has seen enough: `weir-bpf inspect FILE | head`.
    if ((error as { code?: unknown }).code === "EPIPE") return code;
    terminal.complain(`weir-bpf: ${describeError(error)}`);
    if (process.env.WEIR_DEBUG) terminal.complain(String((error as Error).stack));
    return exitCode.FAILED;
  }
}

function buildProgram(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const program = new Command("weir-bpf")
    .description("Looks into BPF object files, loads them, and writes TypeScript for them.")
    .version(VERSION, "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text),
      writeErr: (text) => terminal.complain(text),
      outputError: (text, write) => write(text.replace(/^error: /, "weir-bpf: ")),
    })
    .showHelpAfterError("`--help` after the command shows how it is used.")
    .addHelpText("after", programHelp);

  const command = (name: string, description: string, examples: string) =>
    program
      .command(name)
      .description(description)
      .option("--json", "print JSON")
      .addHelpText("after", `\nExamples:\n${examples}`);

  command("inspect", "print what an object file holds; takes no privilege", inspectExamples)
    .argument("<file>", "the object file, as `clang -target bpf -g -O2 -c` writes it")
    .option("--disasm", "list the instructions, with names and source lines")
    .action((file: string, options: InspectOptions) => finish(inspect(file, options, terminal)));

  return program;
}

const programHelp = `
Exit codes: 0 done; 1 the command failed, with one sentence on standard error; 2 it was mistyped.

Examples:
  weir-bpf inspect count.bpf.o`;

const inspectExamples = `  weir-bpf inspect count.bpf.o
  weir-bpf inspect count.bpf.o --disasm | less
  weir-bpf inspect count.bpf.o --json | jq '.maps[].name'`;
