import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { IpvlanMode, Pod } from "./lab.js";

/** What a runtime makes of the pod's bandwidth annotations: bits per second, and bits. */
export interface Bandwidth {
  ingressRate?: number;
  ingressBurst?: number;
  egressRate?: number;
  egressBurst?: number;
}

/** A CNI result, as far as the lab reads it. */
export interface CniResult {
  cniVersion?: string;
  ips?: { address?: string }[];
}

/** Where Debian's containernetworking-plugins are, and the bundled weir. */
const pluginFolders = [
  "/usr/lib/cni",
  fileURLToPath(new URL("../../../../packages/cni-plugin/bundle", import.meta.url)),
];

interface PluginConfig {
  type: string;
  capabilities?: Record<string, boolean>;
  [key: string]: unknown;
}

/** A conflist, run plugin by plugin as libcni does it: prevResult is handed on, DEL goes backwards. */
export class CniNetwork {
  readonly conflist: { cniVersion: string; name: string; plugins: PluginConfig[] };
  readonly #netns: string;

  /** @param netns the node's namespace, in which the plugins run */
  constructor(conflist: CniNetwork["conflist"], netns: string) {
    this.conflist = conflist;
    this.#netns = netns;
  }

  async add(pod: Pod, bandwidth?: Bandwidth): Promise<CniResult> {
    let prevResult: CniResult | undefined;
    try {
      for (const plugin of this.conflist.plugins) {
        prevResult = JSON.parse(await this.#call("ADD", plugin, pod, { prevResult, bandwidth })) as CniResult;
      }
    } catch (error) {
      await this.delete(pod, prevResult).catch(() => {});
      throw error;
    }
    return prevResult ?? {};
  }

  async delete(pod: Pod, prevResult?: CniResult): Promise<void> {
    for (const plugin of [...this.conflist.plugins].reverse())
      await this.#call("DEL", plugin, pod, { prevResult });
  }

  async check(pod: Pod, prevResult: CniResult, bandwidth?: Bandwidth): Promise<void> {
    for (const plugin of this.conflist.plugins)
      await this.#call("CHECK", plugin, pod, { prevResult, bandwidth });
  }

  #call(
    command: string,
    plugin: PluginConfig,
    pod: Pod,
    { prevResult, bandwidth }: { prevResult?: CniResult | undefined; bandwidth?: Bandwidth | undefined },
  ): Promise<string> {
    const { cniVersion, name } = this.conflist;
    const { capabilities, ...config } = plugin;
    const input = {
      cniVersion,
      name,
      ...config,
      ...(capabilities?.bandwidth && bandwidth ? { runtimeConfig: { bandwidth } } : {}),
      ...(prevResult ? { prevResult } : {}),
    };
    const environment = {
      PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      CNI_COMMAND: command,
      CNI_CONTAINERID: pod.containerId,
      CNI_NETNS: pod.netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: pluginFolders.join(":"),
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod.name}`,
    };
    const folder = plugin.type === "weir" ? pluginFolders[1]! : pluginFolders[0]!;
    return runPlugin(this.#netns, join(folder, plugin.type), environment, JSON.stringify(input));
  }
}

/** Runs a plugin inside a node and gives what it prints; its error is thrown. */
function runPlugin(netns: string, path: string, env: Record<string, string>, input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("nsenter", [`--net=${netns}`, path], { env });
    let output = "";
    let errors = "";
    child.stdout.on("data", (text) => {
      output += text;
    });
    child.stderr.on("data", (text) => {
      errors += text;
    });
    child.on("error", reject);
    child.on("close", (status) => {
      if (status === 0) resolve(output);
      else reject(new Error(`${path} ${env.CNI_COMMAND} failed with status ${status}: ${output}${errors}`));
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** The conflist of the demo: ipvlan with host-local addresses, then weir. */
export function createNetwork(options: {
  node: number;
  netns: string;
  uplink: string;
  mode: IpvlanMode;
  folder: string;
}): CniNetwork {
  const { node, netns, uplink, mode, folder } = options;
  const range = { subnet: "172.51.0.0/16", rangeStart: `172.51.${node}.101`, rangeEnd: `172.51.${node}.199` };
  return new CniNetwork(
    {
      cniVersion: "1.0.0",
      name: `ipvlan-node${node}`,
      plugins: [
        {
          type: "ipvlan",
          master: uplink,
          mode,
          ipam: { type: "host-local", ranges: [[range]], dataDir: join(folder, `node${node}`) },
        },
        { type: "weir", capabilities: { bandwidth: true } },
      ],
    },
    netns,
  );
}
