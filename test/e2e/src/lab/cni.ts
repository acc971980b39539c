import { spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { IpvlanMode } from "./lab.js";

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

/** One interface of one container. */
export interface CniAttachment {
  containerId: string;
  /** The path of the container's network namespace; "" where it is gone. */
  netns: string;
  /** The interface's name; eth0 where there is none. */
  ifname?: string;
  /** The pod's name in CNI_ARGS. */
  name?: string;
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

/** A network configuration as it lies in /etc/cni/net.d. */
export interface Conflist {
  cniVersion: string;
  name: string;
  plugins: PluginConfig[];
}

type Command = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS";

/** What is kept of an attachment from ADD to DEL. */
interface Cached {
  containerId: string;
  ifname: string;
  capabilities: Record<string, unknown>;
  result: CniResult;
}

/**
 * A conflist and its plugins, run as libcni does it (SPEC.md, "Section 3: Execution of Network Configurations"): in
 * order, with each one's result handed to the next; the last result is kept on disk, and DEL, in reverse order, and
 * CHECK get it again with the capabilities of the ADD.
 */
export class CniNetwork {
  readonly conflist: Conflist;
  readonly #netns: string;
  readonly #cache: string;
  readonly #plugins: readonly string[];

  /**
   * @param options.netns the node's namespace, in which the plugins run
   * @param options.cache a folder for results
   * @param options.plugins folders of plugins, in the order in which they are searched
   */
  constructor(conflist: Conflist, options: { netns: string; cache: string; plugins?: readonly string[] }) {
    this.conflist = conflist;
    this.#netns = options.netns;
    this.#cache = options.cache;
    this.#plugins = options.plugins ?? pluginFolders;
  }

  /** ADD; where a plugin fails, DEL as runtimes do it, and the plugin's error. */
  async add(attachment: CniAttachment, bandwidth?: Bandwidth): Promise<CniResult> {
    const capabilities = bandwidth ? { bandwidth } : {};
    let result: CniResult | undefined;
    try {
      for (const plugin of this.conflist.plugins) {
        const output = await this.#call("ADD", plugin, { attachment, capabilities, prevResult: result });
        result = JSON.parse(output) as CniResult;
      }
    } catch (error) {
      await this.delete(attachment).catch(() => {});
      throw error;
    }
    const { containerId, ifname = "eth0" } = attachment;
    const cached: Cached = { containerId, ifname, capabilities, result: result ?? {} };
    mkdirSync(this.#cache, { recursive: true });
    writeFileSync(this.#cacheFile(attachment), JSON.stringify(cached));
    return cached.result;
  }

  /** DEL; it may be repeated, and the namespace may be gone. */
  async delete(attachment: CniAttachment): Promise<void> {
    const cached = this.#cached(attachment);
    const call = { attachment, capabilities: cached?.capabilities ?? {}, prevResult: cached?.result };
    for (const plugin of [...this.conflist.plugins].reverse()) await this.#call("DEL", plugin, call);
    rmSync(this.#cacheFile(attachment), { force: true });
  }

  /** CHECK, with what ADD was given. */
  async check(attachment: CniAttachment): Promise<void> {
    const cached = this.#cached(attachment);
    if (!cached) throw new Error(`${attachment.containerId} was never added to ${this.conflist.name}`);
    const call = { attachment, capabilities: cached.capabilities, prevResult: cached.result };
    for (const plugin of this.conflist.plugins) await this.#call("CHECK", plugin, call);
  }

  /** GC: deletes what was added and is not valid any more, then lets each plugin look for itself. */
  async gc(valid: readonly CniAttachment[]): Promise<void> {
    const keys = new Set(valid.map(keyOf));
    for (const { containerId, ifname } of this.#allCached()) {
      if (!keys.has(keyOf({ containerId, netns: "", ifname })))
        await this.delete({ containerId, netns: "", ifname });
    }
    const list = valid.map(({ containerId, ifname = "eth0" }) => ({ containerID: containerId, ifname }));
    for (const plugin of this.conflist.plugins)
      await this.#call("GC", plugin, { more: { "cni.dev/valid-attachments": list } });
  }

  /** STATUS. */
  async status(): Promise<void> {
    for (const plugin of this.conflist.plugins) await this.#call("STATUS", plugin, {});
  }

  #call(
    command: Command,
    plugin: PluginConfig,
    call: {
      attachment?: CniAttachment;
      capabilities?: Record<string, unknown>;
      prevResult?: CniResult | undefined;
      more?: Record<string, unknown>;
    },
  ): Promise<string> {
    const { attachment, prevResult, more } = call;
    const { cniVersion, name } = this.conflist;
    const { capabilities: wanted = {}, ...config } = plugin;
    const given = Object.entries(call.capabilities ?? {}).filter(([capability]) => wanted[capability]);
    const input = {
      cniVersion,
      name,
      ...config,
      ...(given.length > 0 ? { runtimeConfig: Object.fromEntries(given) } : {}),
      ...(prevResult ? { prevResult } : {}),
      ...more,
    };
    const environment = {
      PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      CNI_COMMAND: command,
      CNI_PATH: this.#plugins.join(":"),
      ...(attachment ? variables(attachment) : {}),
    };
    return runPlugin(this.#netns, this.#find(plugin.type), environment, JSON.stringify(input));
  }

  #find(type: string): string {
    for (const folder of this.#plugins) {
      const path = join(folder, type);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not in this folder.
      }
    }
    throw new Error(`there is no plugin ${type} in ${this.#plugins.join(", ")}`);
  }

  #cacheFile(attachment: CniAttachment): string {
    return join(this.#cache, `${this.conflist.name}-${keyOf(attachment)}`);
  }

  #cached(attachment: CniAttachment): Cached | undefined {
    try {
      return JSON.parse(readFileSync(this.#cacheFile(attachment), "utf8")) as Cached;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  #allCached(): Cached[] {
    mkdirSync(this.#cache, { recursive: true });
    return readdirSync(this.#cache)
      .filter((file) => file.startsWith(`${this.conflist.name}-`))
      .map((file) => JSON.parse(readFileSync(join(this.#cache, file), "utf8")) as Cached);
  }
}

/** Identifiers hold no colon, so that no two attachments share a key. */
function keyOf({ containerId, ifname = "eth0" }: CniAttachment): string {
  return `${containerId}:${ifname}`;
}

function variables({ containerId, netns, ifname = "eth0", name }: CniAttachment): Record<string, string> {
  const pod = name === undefined ? "" : `;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`;
  return {
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: ifname,
    CNI_ARGS: `IgnoreUnknown=1${pod}`,
  };
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
    { netns, cache: join(folder, "results") },
  );
}
