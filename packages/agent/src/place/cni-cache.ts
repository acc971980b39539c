import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PodIdentity } from "@weir/shaper";
import { groupBy } from "../group-by.js";
import { keyOf } from "../pods/pod.js";

/** What libcni wrote down of an interface that it had made: libcni/api.go, cachedInfo. */
export interface CachedInterface {
  /** The file. */
  file: string;
  containerId: string;
  ifname: string;
  /** The path of the network namespace. */
  netns: string;
  /** The pod that CNI_ARGS named. */
  pod?: PodIdentity;
  /** The name of the CNI network. */
  network: string;
  cniVersion: string;
  /** weir's own entry of the conflist; undefined where weir is not in its chain. */
  entry?: { [name: string]: unknown };
  /** The result of the chain. */
  result: { [name: string]: unknown };
}

/** The executable's name in a conflist. */
const PLUGIN = "weir";

const MAX_FILE_BYTES = 1 << 20;

/** For how long a reading of the folders is new enough: a pass asks once for each pod. */
const FRESH_MS = 250;

/**
 * libcni's cache, which every runtime that uses libcni keeps: one file for each interface, written once when all plugins
 * of the chain are done, and removed with the pod. Files are read once; what the agent does not understand it passes
 * over, as other programs' networks have files there too.
 */
export class CniCache {
  #folders: readonly string[];
  #known = new Map<string, CachedInterface | undefined>();
  #byPod = new Map<string, CachedInterface[]>();
  #readAt = Number.NEGATIVE_INFINITY;

  /** @param folders such as /var/lib/cni/results; one that is missing is empty */
  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** Where files lie. */
  get folders(): readonly string[] {
    return this.#folders;
  }

  set folders(folders: readonly string[]) {
    this.#folders = folders;
    this.expire();
  }

  /** Has the folders read again when they are next asked for. */
  expire(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  /** Whether any of the folders is there. */
  get present(): boolean {
    return this.#folders.some((folder) => names(folder) !== undefined);
  }

  /** Every interface that is written down now. */
  list(): CachedInterface[] {
    this.#read();
    return this.#understood();
  }

  /** The interfaces of pods of this namespace and name, whatever their uid. */
  ofPod(pod: Pick<PodIdentity, "namespace" | "name">): readonly CachedInterface[] {
    this.#read();
    return this.#byPod.get(keyOf(pod)) ?? [];
  }

  #understood(): CachedInterface[] {
    return [...this.#known.values()].filter((one) => one !== undefined);
  }

  #read(): void {
    if (performance.now() - this.#readAt < FRESH_MS) return;
    this.#readAt = performance.now();
    const now = new Map<string, CachedInterface | undefined>();
    for (const folder of this.#folders) {
      for (const name of names(folder) ?? []) {
        const file = join(folder, name);
        // A file that could not be read may be half written: it is read again.
        now.set(file, this.#known.get(file) ?? readCached(file));
      }
    }
    this.#known = now;
    this.#byPod = groupBy(this.#understood(), ({ pod }) => pod && keyOf(pod));
  }
}

function names(folder: string): string[] | undefined {
  try {
    return readdirSync(folder);
  } catch {
    return undefined;
  }
}

function readCached(file: string): CachedInterface | undefined {
  try {
    const text = readFileSync(file, "utf8");
    return text.length > MAX_FILE_BYTES ? undefined : parseCached(file, text);
  } catch {
    return undefined;
  }
}

/** Reads one file's text; undefined for other kinds of files and for those without a namespace. */
export function parseCached(file: string, text: string): CachedInterface | undefined {
  const cached = JSON.parse(text) as CachedInfo;
  if (cached.kind !== "cniCacheV1" || !cached.containerId || !cached.ifName) return undefined;
  const config = conflistOf(cached.config ?? "");
  const plugins = Array.isArray(config.plugins) ? config.plugins : [config];
  const entry = plugins.find(({ type }) => type === PLUGIN);
  const { containerId, ifName: ifname, result = {} } = cached;
  const netns = cached.netns ?? sandboxOf(result, ifname);
  if (!netns) return undefined;
  const pod = podOf(cached.cniArgs);
  return {
    file,
    containerId,
    ifname,
    netns,
    ...(pod ? { pod } : {}),
    network: config.name ?? cached.networkName ?? "",
    cniVersion: config.cniVersion ?? "",
    ...(entry ? { entry } : {}),
    result: entry ? result : {},
  };
}

/** The conflist that was read last: a node has few, and hundreds of files of each. */
let lastConflist: { text: string; value: Conflist } | undefined;

function conflistOf(text: string): Conflist {
  if (lastConflist?.text !== text) {
    lastConflist = { text, value: JSON.parse(Buffer.from(text, "base64").toString("utf8")) as Conflist };
  }
  return lastConflist.value;
}

/** The namespace of an interface of a result; versions of libcni before 1.3 write it nowhere else. */
function sandboxOf({ interfaces }: CachedInterface["result"], ifname: string): string | undefined {
  if (!Array.isArray(interfaces)) return undefined;
  const inside = (interfaces as { name?: string; sandbox?: string }[]).filter(({ sandbox }) => sandbox);
  return (inside.find(({ name }) => name === ifname) ?? inside[0])?.sandbox;
}

function podOf(args: CachedInfo["cniArgs"]): PodIdentity | undefined {
  if (!Array.isArray(args)) return undefined;
  // Multus can write a variable twice.
  const value = (wanted: string) => args.find(([name, text]) => name === wanted && text)?.[1];
  const [namespace, name, uid] = ["K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_UID"].map(value);
  return namespace && name ? { namespace, name, ...(uid ? { uid } : {}) } : undefined;
}

interface CachedInfo {
  kind?: string;
  containerId?: string;
  /** The conflist, or the configuration of a single plugin, in base64. */
  config?: string;
  ifName?: string;
  networkName?: string;
  netns?: string;
  cniArgs?: [string, string][];
  result?: { [name: string]: unknown };
}
interface Conflist {
  [name: string]: unknown;
  cniVersion?: string;
  name?: string;
  type?: string;
  plugins?: { type?: string; [name: string]: unknown }[];
}
