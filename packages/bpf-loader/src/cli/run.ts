import { Command, CommanderError, InvalidArgumentError } from "commander";
import { type ProgramType, programTypeTable } from "../names/tables.js";
import { describeError, type ExitCode, exitCode, UsageError } from "./errors.js";
import { type FeaturesOptions, printFeatures } from "./features.js";
import { type GenOptions, gen } from "./gen/gen.js";
import { type InspectOptions, inspect } from "./inspect.js";
import { type LoadCommandOptions, load } from "./load.js";
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
    if (error instanceof UsageError) return exitCode.USAGE;
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
    .argument("<file>", "the object file, as `clang -target bpf -g -O2 -c` writes it; - for standard input")
    .option("--disasm", "list the instructions, with names and source lines")
    .action((file: string, options: InspectOptions) => finish(inspect(file, options, terminal)));

  command(
    "load",
    "load an object file into the kernel, report, and let go of what is not pinned",
    loadExamples,
  )
    .argument("<file>", "the object file; - for standard input")
    .option("--program <name...>", "only these programs, and the maps that they use")
    .option("--type <type>", "the type of programs whose section says none, such as sched_cls", programType)
    .option("--set <name=value>", "give a global variable a value before load; may be given again", collect)
    .option(
      "--attach-to <name=function>",
      "what a program is for, where its section does not say or the kernel has it not; may be given again",
      collect,
    )
    .option("--pin <folder>", "pin programs and maps by name in this folder of a BPF filesystem")
    .option("--run <name>", "test-run this program once it is loaded")
    .option("--data <hex>", "the packet to run it on, in hexadecimal; @FILE for the bytes of a file")
    .option("--context <hex>", "the context to run it on, likewise")
    .option("--repeat <times>", "run it that often, for its duration", count)
    .option("--btf <file>", "the kernel's types for CO-RE (default: those of the running kernel)")
    .option("--log <file>", "write the verifier's whole log of every program to a file")
    .option("-v, --verbose", "print the verifier's whole log on standard error")
    .action((file: string, options: LoadCommandOptions, self: Command) => {
      const { run, data, context, repeat } = options;
      if (run === undefined && (data ?? context ?? repeat) !== undefined)
        self.error("error: --data, --context and --repeat take --run beside them");
      finish(load(file, options, terminal));
    });

  command("gen", "write a typed TypeScript module for an object file; takes no privilege", genExamples)
    .argument("<file>", "the object file; - for standard input")
    .option("-o, --output <file>", "the module to write (default: standard output)")
    .option("--name <name>", "the name of its class (default: from the file's name)")
    .option("--external", "read the object file when the module runs, instead of holding its bytes")
    .action((file: string, options: GenOptions) => finish(gen(file, options, terminal)));

  command("features", "print what the running kernel can do with BPF, found out by trying", featuresExamples)
    .option("--full", "print the names of the helpers that each type of program may call")
    .action((options: FeaturesOptions) => finish(printFeatures(options, terminal)));

  return program;
}

function collect(one: string, before: readonly string[] = []): readonly string[] {
  return [...before, one];
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0 && number <= 0xffff_ffff) return number;
  throw new InvalidArgumentError("It must be a whole number from 1.");
}

function programType(text: string): ProgramType {
  const known: readonly string[] = programTypeTable.names;
  if (known.includes(text) && text !== "unspec") return text as ProgramType;
  throw new InvalidArgumentError(`Known types are ${known.slice(1).join(", ")}.`);
}

const programHelp = `
Exit codes: 0 done; 1 the command failed, with one sentence on standard error; 2 it was mistyped.

Examples:
  weir-bpf inspect count.bpf.o
  weir-bpf load count.bpf.o --run count_egress --data 00000000000000000000000000000000
  weir-bpf features`;

const inspectExamples = `  weir-bpf inspect count.bpf.o
  weir-bpf inspect count.bpf.o --disasm | less
  weir-bpf inspect count.bpf.o --json | jq '.maps[].name'`;

const loadExamples = `  weir-bpf load count.bpf.o
  weir-bpf load count.bpf.o --program count_egress --run count_egress --data 00000000000000000000000000000000
  weir-bpf load count.bpf.o --set sample_every=10 --pin /sys/fs/bpf/count
  weir-bpf load count.bpf.o -v 2>&1 | less

Where a program does not load, the others are still tried, nothing is pinned, and the exit code is 1.
Names of pins have "_" in place of dots: section .rodata is pinned as _rodata.`;

const genExamples = `  weir-bpf gen count.bpf.o -o src/count.ts
  weir-bpf gen count.bpf.o -o src/count.ts --external

The module is then used like this:
  import { Count } from "./count.js";
  const count = Count.parse();
  count.variables.sample_every.set(10);
  using loaded = count.load();
  for (const [key, value] of loaded.maps.counters.entries()) console.log(key, value);`;

const featuresExamples = `  weir-bpf features
  weir-bpf features --full | less
  weir-bpf features --json | jq '.programTypes | to_entries[] | select(.value | not) | .key'`;
