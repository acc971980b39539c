import type { Direction, Limit } from "@weir/shaper";
import { Argument, Command, CommanderError, Option } from "commander";
import { shaperOptions } from "../options.js";
import { VERSION } from "../version.js";
import type { AgentFlags } from "./agent.js";
import { burst, collect, count, list, milliseconds, rate, seconds, weight } from "./arguments.js";
import { apply, type Context, gc, remove, status } from "./commands.js";
import { completionScript, type Shell, shells } from "./completion.js";
import { type DoctorOptions, doctor } from "./doctor.js";
import { describeError, type ExitCode, exitCode } from "./errors.js";
import {
  agentExamples,
  applyExamples,
  completionExamples,
  doctorExamples,
  gcExamples,
  installExamples,
  programHelp,
  removeExamples,
  serveExamples,
  statusExamples,
  topExamples,
  traceExamples,
  uninstallExamples,
  uplinkExamples,
} from "./help.js";
import type { InstallOptions } from "./install/install.js";
import { processTerminal, type Terminal } from "./terminal.js";
import type { TraceCommandOptions } from "./trace/trace.js";
import { listUplinks, removeUplink, setUplink } from "./uplink.js";

const BIN_DIR = "/opt/cni/bin";
const CONF_DIR = "/etc/cni/net.d";

/** What `weir agent` logs from on: the agent's own list, since the agent is not loaded for every command. */
export const logLevels = ["trace", "debug", "info", "warn", "error"] as const;

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
    .argument("[pod]", "NAMESPACE/NAME, NAME, either with /INTERFACE, or an id or its beginning")
    .option("--netns <path|name>", "the network namespace, instead of the id")
    .option("--device <name>", "the device in that namespace")
    .action((id: string | undefined, given: RemoveOptions, self: Command) => {
      const { netns, device, json } = given;
      const place = netns !== undefined && device !== undefined;
      if (id === undefined ? !place : netns !== undefined || device !== undefined) {
        self.error("error: name either a pod or an id, or both --netns and --device");
      }
      finish(remove(place ? { netns, device } : { id: id! }, context(json)));
    });

  command(
    "status",
    "print what is shaped, how much passed, and whether the kernel is as it should be",
    statusExamples,
  )
    .argument("[pod]", "only this pod: NAMESPACE/NAME, NAME, or an id or its beginning")
    .option(
      "--interval <seconds>",
      "between the two samples that tell what passes now; 0 for none",
      seconds(0),
      1,
    )
    .action(async (id: string | undefined, { json, interval }: JsonOption & { interval: number }) => {
      const name = id === undefined ? {} : { id };
      finish(await status({ ...name, intervalMs: interval * 1000 }, context(json)));
    });

  command("top", "show what passes now, live", topExamples)
    .option("--interval <seconds>", "between two looks", seconds(0.1), 1)
    .option("--count <number>", "end after so many looks", count)
    .action(async (given: JsonOption & { interval: number; count?: number }) => {
      const { top } = await import("./top/top.js");
      const { json, interval, count: looks } = given;
      const rest = looks === undefined ? {} : { count: looks };
      finish(await top({ intervalMs: interval * 1000, ...rest }, context(json)));
    });

  command(
    "doctor",
    "print what the kernel and the node must have, and what is wrong with attachments",
    doctorExamples,
  )
    .option("--bin-dir <folder>", "the folder of CNI plugins", BIN_DIR)
    .option("--conf-dir <folder>", "the folder of CNI configurations", CONF_DIR)
    .action(({ json, ...given }: JsonOption & DoctorOptions) => finish(doctor(given, context(json))));

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

  command("trace", "show how long a pod's packets are made to wait", traceExamples)
    .argument("[pod]", "NAMESPACE/NAME, NAME, either with /INTERFACE, or an id or its beginning")
    .option("--netns <path|name>", "the network namespace, instead of the pod")
    .option("--device <name>", "the device in that namespace")
    .option("--seconds <seconds>", "how long to look", seconds(0.1), 10)
    .option("--sample <number>", "look at one packet in so many (default: by the limit)", count)
    .action(async (pod: string | undefined, given: JsonOption & TraceCommandOptions, self: Command) => {
      const { json, ...rest } = given;
      if ((pod === undefined) === (rest.netns === undefined)) {
        self.error("error: name either a pod, or --netns");
      }
      const { trace } = await import("./trace/trace.js");
      finish(await trace({ ...rest, ...(pod === undefined ? {} : { pod }) }, context(json)));
    });

  const installCommand = (name: string, description: string, examples: string) =>
    command(name, description, examples)
      .option("--bin-dir <folder>", "the folder of CNI plugins", BIN_DIR)
      .option("--conf-dir <folder>", "the folder of CNI configurations", CONF_DIR)
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

  program
    .command("completion")
    .description("print the script that completes command lines in a shell")
    .addArgument(new Argument("<shell>", "which shell").choices([...shells]))
    .addHelpText("after", `\nExamples:\n${completionExamples}`)
    .action((shell: Shell) => terminal.print(completionScript(program, shell)));

  return program;
}

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
  direction: Direction,
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
