import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type DecodeOptions, decode } from "./decode.js";
import { type DumpCommandOptions, type DumpKind, dump, dumpKinds } from "./dump.js";
import { describeError, type ExitCode, exitCode, UsageError } from "./errors.js";
import { type MonitorCommandOptions, monitor, monitorWords } from "./monitor.js";
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
    terminal.flush();
    return code;
  } catch (error) {
    return failed(error, terminal, code);
  }
}

function failed(error: unknown, terminal: Terminal, code: ExitCode): ExitCode {
  // Whoever reads has seen enough: `weir-nl dump route | head`.
  if ((error as { code?: unknown }).code === "EPIPE") return code;
  try {
    if (error instanceof CommanderError) {
      terminal.flush();
      return error.code === "commander.helpDisplayed" || error.code === "commander.version"
        ? exitCode.OK
        : exitCode.USAGE;
    }
    terminal.complain(`weir-nl: ${describeError(error)}`);
    if (error instanceof UsageError) return exitCode.USAGE;
    if (process.env.WEIR_DEBUG) terminal.complain(String((error as Error).stack));
    return exitCode.FAILED;
  } catch (again) {
    if ((again as { code?: unknown }).code === "EPIPE") return code;
    throw again;
  }
}

function buildProgram(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const program = new Command("weir-nl")
    .description(
      "Prints what the kernel says over netlink, as it is and as it changes, and decodes messages.",
    )
    .version(VERSION, "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text),
      writeErr: (text) => terminal.complain(text),
      outputError: (text, write) => write(text.replace(/^error: /, "weir-nl: ")),
    })
    .showHelpAfterError("`--help` after the command shows how it is used.")
    .addHelpText("after", programHelp);

  const command = (name: string, description: string, examples: string) =>
    program
      .command(name)
      .description(description)
      .option("--json", "print JSON")
      .option(
        "--netns <name>",
        "look into this network namespace: a name of `ip netns`, a path, or a process id",
      )
      .addHelpText("after", `\nExamples:\n${examples}`);

  command("dump", "print what there is of one kind of object", dumpExamples)
    .addArgument(new Argument("<kind>", "what to print").choices([...dumpKinds]))
    .option("-d, --details", "print all attributes, indented, under each line")
    .option("--dev <name>", "only what belongs to this device, by its name or index")
    .option("--table <table>", "route, rule: only this table, by its name or number (default: all)")
    .option(
      "--family <family>",
      "addr, route, rule, neigh: inet or inet6; neigh also bridge (default: both IP families)",
    )
    .option("--kind <kind>", "link, qdisc, class, filter: only this kind, such as veth or fq")
    .option("--master <name>", "link, neigh: only ports of this bridge, bond or VRF")
    .option(
      "--parent <place>",
      "qdisc, filter: only at this place: root, ingress, egress, clsact, or a handle such as 1:",
    )
    .action((kind: DumpKind, options: DumpCommandOptions) => finish(dump(kind, options, terminal)));

  command("monitor", "print what changes, one line an event, until SIGINT or SIGTERM", monitorExamples)
    .argument("[groups...]", `what to watch: ${Object.keys(monitorWords).join(", ")} (default: all)`)
    .option("-d, --details", "print all attributes, indented, under each line")
    .option("--dev <name>", "only what belongs to this device")
    .option("--initial", "begin with all that is there, and a line that says so")
    .option("--all-netns", "tell of all namespaces that have an id in this one")
    .option("-t, --timestamp", "print the time of each event")
    .option("-c, --count <events>", "end after so many events", count)
    .addOption(
      new Option("--buffer <bytes>", "bytes that may wait in the kernel (default: 4 MiB)").argParser(count),
    )
    .action(async (words: string[], options: MonitorCommandOptions) =>
      finish(await monitor(words, options, terminal)),
    );

  command("decode", "decode the bytes of messages; takes no privilege", decodeExamples)
    .argument(
      "[hex...]",
      "whole messages in hexadecimal, one after the other; - or nothing for standard input",
    )
    .option("--type <type>", "the bytes are the payload alone of a message of this type, such as RTM_NEWLINK")
    .addOption(
      new Option(
        "--protocol <protocol>",
        "the netlink family; generic asks the running kernel for its numbers",
      )
        .choices(["route", "generic"])
        .default("route"),
    )
    .option("--reencode", "print the bytes that encoding the decoded messages gives, a line a message")
    .action((words: string[], options: DecodeOptions) => finish(decode(words, options, terminal)));

  return program;
}

function count(text: string): number {
  const number = Number(text);
  if (/^[0-9]+$/.test(text) && number > 0 && number <= 0x7fff_ffff) return number;
  throw new InvalidArgumentError("It must be a whole number from 1 to 2147483647.");
}

const programHelp = `
JSON: the objects have the fields that the library's documentation names. 64-bit numbers are JSON numbers up to
2^53 - 1 and strings of digits above; bytes are strings of hexadecimal digits; attributes without a name are in lists
called "unknown", with their number, their type (the number with its flags) and their bytes.

Exit codes: 0 done; 1 the command failed, with one sentence on standard error; 2 it was mistyped.

Examples:
  weir-nl dump link
  weir-nl dump route --table main --json | jq '.[].destination'
  weir-nl monitor link addr
  weir-nl decode --type RTM_NEWADDR 02188000010000000800020001020304`;

const dumpExamples = `  weir-nl dump link --kind veth
  weir-nl dump addr --dev eth0 --json | jq -r '.[].address'
  weir-nl dump route --table main --family inet6
  weir-nl dump neigh --family bridge --master br0
  weir-nl dump qdisc -d --netns blue
  weir-nl dump filter --dev eth0 --parent ingress

With --json an array is printed, an object at a time. 64-bit numbers are JSON numbers up to 2^53 - 1 and strings of
digits above; bytes are strings of hexadecimal digits. Routes are those of all tables, as the kernel has them.`;

const monitorExamples = `  weir-nl monitor
  weir-nl monitor link addr --netns blue
  weir-nl monitor tc --dev eth0 -t
  weir-nl monitor link --initial --json | jq -c '[.change, .link.name]'

A line "resync" says that the kernel had to drop notifications: all that is there follows as "present", and then a line
"synced". With --json each event is an object on a line of its own, whose type is "resync" and "synced" there; 64-bit
numbers are JSON numbers up to 2^53 - 1 and strings of digits above.`;

const decodeExamples = `  weir-nl decode 14000000030002000100000000000000 00000000
  weir-nl decode --type RTM_NEWADDR 02 18 80 00 01 00 00 00 08 00 02 00 01 02 03 04
  xxd -p capture | weir-nl decode - --json
  weir-nl decode --reencode < message.hex

Spaces, newlines, colons, commas, 0x and \\x between the digits do not matter. With --json one message is an object and
several are an array; 64-bit numbers are JSON numbers up to 2^53 - 1 and strings of digits above. Messages are read in
the byte order of this machine, as the kernel writes them.`;
