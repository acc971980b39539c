import {
  type Limit,
  MAX_BITS_PER_SECOND,
  MAX_HORIZON_MS,
  MAX_WEIGHT,
  MIN_BITS_PER_SECOND,
  parseQuantity,
} from "@weir/shaper";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { joinRemedy } from "../cni/explain.js";
import { shaperOptions } from "../options.js";
import { formatRate } from "../units.js";
import { VERSION } from "../version.js";
import type { AgentFlags } from "./agent.js";
import { apply, type Context, doctor, gc, remove, status } from "./commands.js";
import { describeError, type ExitCode, exitCode } from "./errors.js";
import type { InstallOptions } from "./install/install.js";
import { processTerminal, type Terminal } from "./terminal.js";
import { listUplinks, removeUplink, setUplink } from "./uplink.js";

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
    // Someone closed the pipe: `weir status | head`.
    if ((error as { code?: unknown }).code === "EPIPE") return exitCode.FAILED;
    terminal.complain(`weir: ${describeError(error)}`);
    if (process.env.WEIR_DEBUG) terminal.complain(String((error as Error).stack));
    return exitCode.FAILED;
  }
}

function buildProgram(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const context = (json: boolean | undefined): Context => ({
    terminal,
    options: shaperOptions(process.env),
    json: json === true,
  });
  const program = new Command("weir")
    .description(
      "Shapes the bandwidth of network namespaces and Kubernetes pods.\n" +
        "With CNI_COMMAND set it is a CNI plugin instead, which takes its configuration on standard input.",
    )
    .version(VERSION, "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text),
      writeErr: (text) => terminal.complain(text),
      outputError: (text, write) => write(text.replace(/^error: /, "weir: ")),
    })
    .showHelpAfterError("`--help` after the command shows how it is used.")
    .addHelpText("after", programHelp);

  const command = (name: string, description: string, examples: string) =>
    program
      .command(name)
      .description(description)
      .option("--json", "print JSON")
      .addHelpText("after", `\nExamples:\n${examples}`);

  command("apply", "set the limits of a device, or change them in place", applyExamples)
    .requiredOption("--netns <path|name>", "the network namespace: a path, or a name as in `ip netns`")
    .requiredOption("--device <name>", "the device in that namespace, such as eth0")
    .option("--egress <rate>", "the limit of what the device sends, in bits per second: 100M", rate)
    .option("--ingress <rate>", "the limit of what the device receives, in bits per second: 50M", rate)
    .option("--egress-burst <bits>", "how much may leave at once after a pause, in bits: 1M", burst)
    .option("--ingress-burst <bits>", "how much may arrive at once after a pause, in bits: 1M", burst)
    .option(
      "--horizon <ms>",
      "how long a packet may wait before it is dropped (default 100)",
      milliseconds(1),
    )
    .option(
      "--mark <ms>",
      "from which wait on ECN packets are marked, 0 for never (default 5)",
      milliseconds(0),
    )
    .option("--shaped-subnets <list>", "limit traffic with these subnets alone: 10.0.0.0/8,fd00::/8", list)
    .option("--unshaped-subnets <list>", "do not limit traffic with these subnets", list)
    .option("--aggregate <name>", "share one limit with all attachments of that name (default: as it is)")
    .option(
      "--uplink <name>",
      "the uplink that it shares with others, as `weir uplink` knows it (default: as it is)",
    )
    .option("--egress-guarantee <rate>", "what it gets of the uplink whatever others want: 10M", rate)
    .option("--ingress-guarantee <rate>", "the same of what it receives", rate)
    .option("--egress-weight <number>", "what it weighs for what guarantees leave (default 100)", weight)
    .option("--ingress-weight <number>", "the same of what it receives", weight)
    .option("--no-guard", "do not police what the device sends on the host's side as well")
    .option("--id <id>", "the attachment's id (default: the one that is there, or NAME/DEVICE)")
    .action((given: ApplyOptions, self: Command) => {
      const times = {
        ...(given.horizon === undefined ? {} : { horizonMs: given.horizon }),
        ...(given.mark === undefined ? {} : { markMs: given.mark }),
      };
      const limits = {
        ...limitOf("egress", given, times, self),
        ...limitOf("ingress", given, times, self),
      };
      if (Object.keys(limits).length === 0) self.error("error: name a limit: --egress, --ingress or both");
      const { netns, device, id, aggregate, uplink, shapedSubnets, unshapedSubnets } = given;
      const subnets = {
        ...(shapedSubnets ? { shapedSubnets } : {}),
        ...(unshapedSubnets ? { unshapedSubnets } : {}),
      };
      const names = {
        ...(id === undefined ? {} : { id }),
        ...(aggregate === undefined ? {} : { aggregate }),
        ...(uplink === undefined ? {} : { uplink }),
      };
      const { options, ...rest } = context(given.json);
      const guarded = { ...rest, options: given.guard ? options : { ...options, guard: false } };
      finish(apply({ netns, device, ...names, ...limits, ...subnets }, guarded));
    });

  command("remove", "take the limits off a device", removeExamples)
    .argument("[id]", "the attachment's id, as `weir status` prints it")
    .option("--netns <path|name>", "the network namespace, instead of the id")
    .option("--device <name>", "the device in that namespace")
    .action((id: string | undefined, given: RemoveOptions, self: Command) => {
      const { netns, device, json } = given;
      const place = netns !== undefined && device !== undefined;
      if (id === undefined ? !place : netns !== undefined || device !== undefined) {
        self.error("error: name either an id, or both --netns and --device");
      }
      finish(remove(place ? { netns, device } : { id: id! }, context(json)));
    });

  command(
    "status",
    "print what is shaped, how much passed, and whether the kernel is as it should be",
    statusExamples,
  )
    .argument("[id]", "only this attachment")
    .action((id: string | undefined, { json }: JsonOption) => {
      finish(status(id === undefined ? {} : { id }, context(json)));
    });

  command(
    "doctor",
    "print what the kernel and the node must have, and what is wrong with attachments",
    doctorExamples,
  ).action(({ json }: JsonOption) => finish(doctor(context(json))));

  const uplink = program
    .command("uplink")
    .description("set what a link carries that attachments share, list and remove such links")
    .helpCommand(false)
    .addHelpText("after", `\nExamples:\n${uplinkExamples}`);
  uplink
    .command("set")
    .description("make an uplink, or change what it carries, live")
    .argument("<name>", "its name, which `weir apply --uplink` takes")
    .argument("<rate>", "what all its attachments together may send, in bits per second: 9500M", rate)
    .option("--ingress <rate>", "what they may receive; without it, only what they send is shared", rate)
    .option("--json", "print JSON")
    .action((name: string, bitsPerSecond: bigint, { ingress, json }: JsonOption & { ingress?: bigint }) => {
      const rates = {
        bitsPerSecond,
        ...(ingress === undefined ? {} : { ingressBitsPerSecond: ingress }),
      };
      finish(setUplink(name, rates, context(json)));
    });
  uplink
    .command("remove")
    .description("forget an uplink that nobody shares")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action((name: string, { json }: JsonOption) => finish(removeUplink(name, context(json))));
  uplink
    .command("list")
    .description("print every uplink, what it carries, and who shares it")
    .option("--json", "print JSON")
    .action(({ json }: JsonOption) => finish(listUplinks(context(json))));

  command("gc", "remove what is left of namespaces that are gone", gcExamples).action(
    ({ json }: JsonOption) => finish(gc(context(json))),
  );

  const installCommand = (name: string, description: string, examples: string) =>
    command(name, description, examples)
      .option("--bin-dir <folder>", "the folder of CNI plugins", "/opt/cni/bin")
      .option("--conf-dir <folder>", "the folder of CNI configurations", "/etc/cni/net.d")
      .option("--conflist <file>", "a conflist, by its path; may be given again", collect, [])
      .option("--network <name>", "a conflist, by its network's name; may be given again", collect, [])
      .option("--dry-run", "change nothing, print what would change", false);
  installCommand(
    "install",
    "copy the executable to the CNI plugins, and add it to conflists",
    installExamples,
  ).action(async ({ json, ...given }: JsonOption & InstallOptions) => {
    const { install } = await import("./install/install.js");
    finish(await install(given, context(json)));
  });
  installCommand("uninstall", "take it out of conflists again, and remove the executable", uninstallExamples)
    .option("--force", "take the limits off pods that still have one", false)
    .action(async ({ json, ...given }: JsonOption & InstallOptions & { force: boolean }) => {
      const { uninstall } = await import("./install/install.js");
      finish(await uninstall(given, context(json)));
    });

  command(
    "serve",
    "answer the plugin's calls in a process that stays, so that each takes a fraction of the time",
    serveExamples,
  ).action(async ({ json }: JsonOption) => {
    const { serve } = await import("./serve.js");
    finish(await serve(context(json)));
  });

  program
    .command("agent")
    .description(
      "keep the limits of this node's pods as their annotations say; answer the plugin's calls; serve metrics",
    )
    .option("--node-name <name>", "the node's name in Kubernetes (NODE_NAME)")
    .option("--config <file>", "the configuration file (WEIR_AGENT_CONFIG; default /etc/weir/agent.yaml)")
    .option(
      "--metrics-address <host:port>",
      'where metrics and health are served, or "off" (WEIR_METRICS_ADDRESS; default 127.0.0.1:9464)',
    )
    .option(
      "--kubeconfig <file>",
      "how to reach the API server (KUBECONFIG; default the pod's service account)",
    )
    .addOption(new Option("--log-level <level>", "from which level on to log").choices(logLevels))
    .option("--no-serve", "do not answer the plugin's calls")
    .addHelpText("after", `\nExamples:\n${agentExamples}`)
    .action(async (given: AgentFlags, self: Command) => {
      const { agent, settleFlags } = await import("./agent.js");
      const flags = settleFlags(given, process.env);
      if (typeof flags === "string") self.error(`error: ${flags}`);
      finish(await agent(flags, context(false)));
    });

  return program;
}

/** What `weir agent` logs from on. */
const logLevels = ["trace", "debug", "info", "warn", "error"] as const;

interface JsonOption {
  json?: boolean;
}
interface ApplyOptions extends JsonOption {
  netns: string;
  device: string;
  id?: string;
  egress?: bigint;
  ingress?: bigint;
  egressBurst?: bigint;
  ingressBurst?: bigint;
  uplink?: string;
  egressGuarantee?: bigint;
  ingressGuarantee?: bigint;
  egressWeight?: number;
  ingressWeight?: number;
  horizon?: number;
  mark?: number;
  shapedSubnets?: string[];
  unshapedSubnets?: string[];
  aggregate?: string;
  guard: boolean;
}
interface RemoveOptions extends JsonOption {
  netns?: string;
  device?: string;
}

function limitOf(
  direction: "egress" | "ingress",
  given: ApplyOptions,
  times: Pick<Limit, "horizonMs" | "markMs">,
  command: Command,
): { [direction: string]: Limit } {
  const bitsPerSecond = given[direction];
  const extras = {
    burst: { burstBits: given[`${direction}Burst`] },
    guarantee: { guaranteeBitsPerSecond: given[`${direction}Guarantee`] },
    weight: { weight: given[`${direction}Weight`] },
  };
  const limit: Partial<Limit> = { ...times };
  for (const [name, extra] of Object.entries(extras)) {
    if (Object.values(extra)[0] === undefined) continue;
    if (bitsPerSecond === undefined) {
      command.error(`error: --${direction}-${name} takes --${direction} beside it`);
    }
    if (name !== "burst" && given.uplink === undefined) {
      command.error(`error: --${direction}-${name} takes --uplink beside it`);
    }
    Object.assign(limit, extra);
  }
  return bitsPerSecond === undefined ? {} : { [direction]: { bitsPerSecond, ...limit } };
}

function rate(text: string): bigint {
  const bits = quantity(text);
  if (bits >= MIN_BITS_PER_SECOND && bits <= MAX_BITS_PER_SECOND) return bits;
  throw new InvalidArgumentError(
    `It must be at least ${formatRate(MIN_BITS_PER_SECOND)} and less than ${formatRate(MAX_BITS_PER_SECOND + 1n)}.`,
  );
}

function burst(text: string): bigint {
  const bits = quantity(text);
  if (bits > 0n) return bits;
  throw new InvalidArgumentError("It must be more than 0 bits.");
}

function collect(text: string, before: string[]): string[] {
  return [...before, text];
}

function list(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function weight(text: string): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MAX_WEIGHT) return number;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_WEIGHT}.`);
}

function milliseconds(least: number): (text: string) => number {
  return (text) => {
    const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (ms >= least && ms <= MAX_HORIZON_MS) return ms;
    throw new InvalidArgumentError(`It must be a number of milliseconds from ${least} to ${MAX_HORIZON_MS}.`);
  };
}

function quantity(text: string): bigint {
  try {
    return parseQuantity(text);
  } catch (error) {
    const { message, remedy } = error as Error & { remedy?: string };
    throw new InvalidArgumentError(
      `${joinRemedy(`${message[0]!.toUpperCase()}${message.slice(1)}`, remedy)}`,
    );
  }
}

const programHelp = `
Exit codes: 0 done; 1 the command failed, with one sentence on standard error; 2 it was mistyped.
State lies in /run/weir (WEIR_STATE_DIRECTORY) and in the BPF filesystem at /sys/fs/bpf (WEIR_BPFFS).

Examples:
  weir doctor
  weir apply --netns blue --device eth0 --egress 100M --ingress 50M
  weir status`;

const applyExamples = `  weir apply --netns blue --device eth0 --egress 100M --ingress 50M
  weir apply --netns /proc/4711/ns/net --device eth0 --egress 1Gi --id demo/eth0

Rates are Kubernetes quantities in bits per second: 64k, 100M, 1Gi, 1e8. A direction that is not named is not shaped.
A burst is credit after idle; without one it is what two large packets need. Horizon and marks hold for both directions.`;

const removeExamples = `  weir remove blue/eth0
  weir remove --netns blue --device eth0`;

const statusExamples = `  weir status
  weir status blue/eth0 --json`;

const doctorExamples = `  weir doctor
  weir doctor --json

The exit code is 1 where something that is required is missing.`;

const uplinkExamples = `  weir uplink set ens192 9500M
  weir apply --netns blue --device eth0 --egress 10G --uplink ens192 --egress-guarantee 500M
  weir uplink list

Attachments that want more than the uplink carries together get what they are guaranteed, and share the rest by weight.
Set a little less than the device can: what others than attachments send is not counted.`;

const gcExamples = `  weir gc`;

const installExamples = `  weir install --network pods --dry-run
  weir install --network pods
  weir install --bin-dir /host/opt/cni/bin --conflist /host/etc/cni/net.d/10-pods.conflist

weir becomes the last plugin of the chain, with the capability that brings the pods' annotations. What a conflist was
before is kept beside it, as FILE.before-weir. Doing it again changes nothing, and a newer weir takes an older one's
place without a moment in which there is none.`;

const uninstallExamples = `  weir uninstall --dry-run
  weir uninstall
  weir uninstall --network pods

Without a name it goes through all conflists. One that has not changed since is restored byte for byte; of one that has,
only weir's part goes. While pods are shaped the executable stays, since runtimes call it when they end (exit code 1).`;

const agentExamples = `  weir agent --node-name "$(hostname)" --kubeconfig /etc/kubernetes/kubelet.conf
  weir agent --node-name node-1 --config agent.yaml --metrics-address 127.0.0.1:9464

It runs until SIGTERM and logs JSON; what is shaped stays so when it ends.`;

const serveExamples = `  weir serve
  weir serve --json

Calls come through named pipes in the folder server-VERSION in the state directory, for root alone. It
answers until SIGTERM, and prints a line for each call. Where it does not run, sees other files than the plugin, or
dies, the plugin does the work itself.`;
