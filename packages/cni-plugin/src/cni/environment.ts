import { statSync } from "node:fs";
import type { PodIdentity } from "@weir/shaper";
import { CniError, CniErrorCode } from "./errors.js";

/** What the environment of a call names. Empty strings are variables that the command does not need and did not get. */
export interface CniEnvironment {
  command: Command;
  containerId: string;
  netns: string;
  ifname: string;
  /** The pod, as CNI_ARGS names it; undefined outside of Kubernetes. */
  pod?: PodIdentity;
}

const commands = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"] as const;
/** The commands of CNI 1.1. */
export type Command = (typeof commands)[number];

const required: Record<Command, readonly string[]> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
  GC: ["CNI_PATH"],
  STATUS: ["CNI_PATH"],
  VERSION: [],
};

/**
 * Reads the variables of a call and checks those that its command needs.
 * @throws CniError of code 4 that names every variable that is missing, or the first that is wrong
 */
export function parseEnvironment(env: NodeJS.ProcessEnv): CniEnvironment {
  const command = commands.find((name) => name === env.CNI_COMMAND);
  if (!command) {
    throw invalid(
      `CNI_COMMAND is ${quote(env.CNI_COMMAND ?? "")}, but must be one of ${commands.join(", ")}`,
    );
  }
  const missing = required[command].filter((name) => !env[name]);
  if (missing.length > 0) {
    throw invalid(`${missing.join(", ")} must be set in the environment for ${command}`);
  }
  const { CNI_CONTAINERID: containerId = "", CNI_NETNS: netns = "", CNI_IFNAME: ifname = "" } = env;
  if (command === "ADD" || command === "CHECK" || command === "DEL") {
    checkContainerId(containerId);
    checkInterfaceName(ifname);
  }
  if (command === "ADD" && env.CNI_NETNS_OVERRIDE === undefined) checkNotHost(netns);
  const pod = podOf(env.CNI_ARGS);
  return { command, containerId, netns, ifname, ...(pod ? { pod } : {}) };
}

/**
 * The pod that CNI_ARGS names, as Kubernetes' runtimes do: "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;K8S_POD_UID=c". A
 * variable that stands there twice, as Multus writes it, counts once.
 */
export function podOf(args = ""): PodIdentity | undefined {
  const values = new Map<string, string>();
  for (const pair of args.slice(0, MAX_ARGS).split(";")) {
    const at = pair.indexOf("=");
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
    if (at > 0 && !values.get(name)) values.set(name, value);
  }
  const read = (name: string) => {
    const value = values.get(name) ?? "";
    // What Kubernetes takes for a name at most.
    return /^[a-zA-Z0-9._-]{1,253}$/.test(value) ? value : undefined;
  };
  const [namespace, name, uid] = ["K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_UID"].map(read);
  if (namespace === undefined || name === undefined) return undefined;
  return { namespace, name, ...(uid === undefined ? {} : { uid }) };
}

const MAX_ARGS = 4096;

/** The pattern that CNI gives for container ids and network names. */
export const identifier = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

function checkContainerId(containerId: string): void {
  if (!identifier.test(containerId)) {
    throw invalid(
      `CNI_CONTAINERID is ${quote(containerId)}, but must begin with a letter or digit and go on with letters, digits, ".", "_" and "-"`,
    );
  }
}

/** What the kernel accepts as an interface's name: dev_valid_name in net/core/dev.c. */
function checkInterfaceName(name: string): void {
  const wrong = (rule: string) => invalid(`CNI_IFNAME is ${quote(name)}, but must ${rule}`);
  if (Buffer.byteLength(name) > 15) throw wrong("be at most 15 bytes long");
  if (name === "." || name === "..") throw wrong('be neither "." nor ".."');
  if (/[/:\s]/.test(name)) throw wrong('hold no "/", ":" or white space');
}

/** A CNI_NETNS that is the plugin's own namespace would shape the node's device in place of a pod's. */
function checkNotHost(netns: string): void {
  const path = statSync(netns, { throwIfNoEntry: false, bigint: true });
  const own = statSync("/proc/self/ns/net", { throwIfNoEntry: false, bigint: true });
  if (path && own && path.dev === own.dev && path.ino === own.ino) {
    throw invalid(
      `CNI_NETNS is ${quote(netns)}, the network namespace that the plugin runs in, and not a pod's (set CNI_NETNS_OVERRIDE to shape it nevertheless)`,
    );
  }
}

function invalid(message: string): CniError {
  return new CniError(CniErrorCode.INVALID_ENVIRONMENT, message);
}

/** A value from outside as it may stand in a message: in quotes, without control characters, not too long. */
export function quote(value: string): string {
  return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value);
}
