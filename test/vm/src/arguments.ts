import { parseArgs } from "node:util";
import { KERNELS } from "./kernels.js";
import { type NicModel, nicModels } from "./nics.js";

/** What a command line asks for. */
export interface CliOptions {
  readonly kernel: string;
  readonly command: readonly string[];
  readonly timeoutMs?: number;
  readonly memoryMiB?: number;
  readonly cpus?: number;
  readonly virtualTime: boolean;
  readonly shares: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly bpffs: boolean;
  readonly nics: readonly NicModel[];
  readonly showConsole: boolean;
  readonly quiet: boolean;
  /** Only fetch the kernel and build the initramfs. */
  readonly prepare: boolean;
}

/** A command line that asks for nothing sensible; the message says what is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const names = KERNELS.map(({ name }) => name).join(", ");

/** What `--help` prints. */
export const usage = `Usage: vm [OPTIONS] -- COMMAND [ARGUMENT...]

Boots a Debian kernel in QEMU, over a copy-on-write view of this machine's files, and runs COMMAND there as
root in the current folder. Ends with the command's exit status; 124 when the time limit passed, 125 when the
virtual machine failed.

  --kernel NAME      ${names} (default 6.1)
  --timeout SECONDS  end the machine after this time, boot included
  --share FOLDER     let the guest write this folder of the host (may be repeated)
  --env NAME=VALUE   set a variable for the command (may be repeated)
  --memory MIB       default 3072
  --cpus N           default 2
  --nic MODEL        a network card: ${nicModels.join(", ")}; comes in pairs, joined by a wire (may be repeated)
  --virtual-time     one instruction takes one nanosecond, however busy the host is
  --no-bpffs         leave /sys/fs/bpf unmounted
  --console          show the guest's console on standard error
  --quiet            say nothing about boot and cached steps
  --prepare          fetch the kernel, run nothing
  --help
`;

/**
 * Reads the command line.
 *
 * @returns what it asks for, or "help"
 * @throws UsageError
 */
export function parseArguments(args: readonly string[]): CliOptions | "help" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  const prepare = values.prepare ?? false;
  if (positionals.length === 0 && !prepare) throw new UsageError("there is no COMMAND to run");
  return {
    kernel: values.kernel ?? "6.1",
    command: positionals,
    ...optional("timeoutMs", positive("--timeout", values.timeout, 1000)),
    ...optional("memoryMiB", positive("--memory", values.memory, 1)),
    ...optional("cpus", positive("--cpus", values.cpus, 1)),
    shares: values.share ?? [],
    env: Object.fromEntries((values.env ?? []).map(variable)),
    virtualTime: values["virtual-time"] ?? false,
    bpffs: !values["no-bpffs"],
    nics: cards(values.nic ?? []),
    showConsole: values.console ?? false,
    quiet: values.quiet ?? false,
    prepare,
  };
}

function parse(args: readonly string[]) {
  // Options after the command's name are the command's, with or without "--" before it.
  const separator = args.indexOf("--");
  const own = separator < 0 ? args : args.slice(0, separator);
  const command = separator < 0 ? [] : args.slice(separator + 1);
  try {
    const { values, positionals } = parseArgs({
      args: [...own],
      allowPositionals: true,
      options: {
        kernel: { type: "string" },
        timeout: { type: "string" },
        share: { type: "string", multiple: true },
        env: { type: "string", multiple: true },
        memory: { type: "string" },
        cpus: { type: "string" },
        nic: { type: "string", multiple: true },
        "virtual-time": { type: "boolean" },
        "no-bpffs": { type: "boolean" },
        console: { type: "boolean" },
        quiet: { type: "boolean" },
        prepare: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
    if (positionals.length > 0) {
      throw new UsageError(`"${positionals[0]}" is no option; write -- before the command`);
    }
    return { values, positionals: command };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function positive(option: string, text: string | undefined, factor: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || !(value > 0) || (factor === 1 && !Number.isSafeInteger(value))) {
    throw new UsageError(`${option} takes a positive number, not "${text}"`);
  }
  return value * factor;
}

function optional<Name extends string>(
  name: Name,
  value: number | undefined,
): { readonly [Key in Name]?: number } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: number };
}

function cards(models: readonly string[]): NicModel[] {
  const unknown = models.find((model) => !nicModels.includes(model as NicModel));
  if (unknown !== undefined) {
    throw new UsageError(`--nic takes one of ${nicModels.join(", ")}, not "${unknown}"`);
  }
  if (models.length % 2 !== 0) throw new UsageError("--nic must be given twice for each wire");
  return models as NicModel[];
}

function variable(text: string): [string, string] {
  const match = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(text);
  if (!match) throw new UsageError(`--env takes NAME=VALUE, not "${text}"`);
  return [match[1]!, match[2]!];
}
