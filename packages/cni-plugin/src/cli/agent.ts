import { Agent, createLog, type LogLevel, logLevels } from "@weir/agent";
import { CallServer } from "../server/server.js";
import { VERSION } from "../version.js";
import type { Context } from "./commands.js";
import { type ExitCode, exitCode } from "./errors.js";
import { plan } from "./plan.js";
import { firstSignal } from "./wait.js";

/** The flags of `weir agent` as they were given. */
export interface AgentFlags {
  nodeName?: string;
  config?: string;
  metricsAddress?: string;
  kubeconfig?: string;
  logLevel?: LogLevel;
  serve: boolean;
}

/** The flags with what the environment says where one was not given. */
export type SettledFlags = AgentFlags & { nodeName: string; config: string };

/** Takes from the environment what was not given. @returns a sentence where something is missing or wrong */
export function settleFlags(given: AgentFlags, env: NodeJS.ProcessEnv): SettledFlags | string {
  const nodeName = given.nodeName || env.NODE_NAME;
  if (!nodeName) return "name the node: --node-name, or NODE_NAME in the environment";
  // It becomes part of a field selector.
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(nodeName)) {
    return `${JSON.stringify(nodeName)} is no name of a node`;
  }
  const logLevel = given.logLevel ?? env.WEIR_LOG_LEVEL;
  if (logLevel !== undefined && !isLevel(logLevel)) {
    return `WEIR_LOG_LEVEL is ${JSON.stringify(logLevel)}, but must be one of ${logLevels.join(", ")}`;
  }
  const metricsAddress = given.metricsAddress ?? env.WEIR_METRICS_ADDRESS;
  const kubeconfig = given.kubeconfig ?? env.KUBECONFIG;
  return {
    serve: given.serve,
    nodeName,
    config: given.config ?? (env.WEIR_AGENT_CONFIG || "/etc/weir/agent.yaml"),
    ...(metricsAddress ? { metricsAddress } : {}),
    ...(kubeconfig ? { kubeconfig } : {}),
    ...(logLevel ? { logLevel } : {}),
  };
}

function isLevel(text: string): text is LogLevel {
  return (logLevels as readonly string[]).includes(text);
}

/** `weir agent`: the node agent and the server for the plugin's calls, until SIGTERM, SIGINT or SIGHUP. */
export async function agent(flags: SettledFlags, { options }: Context): Promise<ExitCode> {
  const { nodeName, config, metricsAddress, kubeconfig, logLevel, serve } = flags;
  const ended = firstSignal();
  const log = createLog(logLevel);
  log.info({ version: VERSION, node: nodeName }, "the agent begins");
  const running = await Agent.start({
    nodeName,
    configFile: config,
    shaper: options,
    planner: plan,
    version: VERSION,
    log,
    fixedLogLevel: logLevel !== undefined,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(metricsAddress === undefined ? {} : { metricsAddress }),
  });
  const server = serve ? answerCalls() : undefined;
  const signal = await ended;
  log.info({ signal }, "the agent ends; what is shaped stays so");
  await Promise.all([running.close(), server?.close()]);
  return exitCode.OK;

  function answerCalls(): CallServer | undefined {
    try {
      const calls = CallServer.listen(options, ({ command, id, durationMs, problem }) => {
        const fields = { command, id, durationMs: Math.round(durationMs * 10) / 10 };
        if (problem === undefined) log.debug(fields, "a call of the plugin was answered");
        else log.warn(fields, problem);
      });
      log.info({ path: calls.path }, "the plugin's calls are answered");
      return calls;
    } catch (error) {
      // The plugin does its work itself then.
      log.warn(`the plugin's calls are not answered: ${(error as Error).message}`);
      return undefined;
    }
  }
}
