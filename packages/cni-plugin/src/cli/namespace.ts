import { existsSync, readdirSync } from "node:fs";
import { resolve } from "node:path";
import { CommandError } from "./errors.js";

const FOLDER = "/run/netns";

/** The path of a network namespace: a path as it is, a bare name as `ip netns` means it. */
export function namespacePath(pathOrName: string): string {
  if (!pathOrName.includes("/")) return `${FOLDER}/${pathOrName}`;
  // /var/run is /run on every current distribution; one of the two keeps records comparable.
  return resolve(pathOrName).replace(/^\/var\/run\//, "/run/");
}

/** The path of a network namespace that exists, or a CommandError that lists those that do. */
export function existingNamespace(pathOrName: string): string {
  const path = namespacePath(pathOrName);
  if (existsSync(path)) return path;
  const names = namedNamespaces();
  const known =
    names.length > 0
      ? `In ${FOLDER} there ${names.length === 1 ? "is" : "are"}: ${names.join(", ")}.`
      : `There are none in ${FOLDER}; a container's is at /proc/PID/ns/net.`;
  throw new CommandError(`there is no network namespace at ${path}`, known);
}

/** The id that the command line gives to an attachment: NAME/DEVICE, or the path where the namespace has no name. */
export function defaultId(netns: string, device: string): string {
  const name = netns.startsWith(`${FOLDER}/`) ? netns.slice(FOLDER.length + 1) : netns.slice(1);
  return `${name}/${device}`;
}

function namedNamespaces(): string[] {
  try {
    return readdirSync(FOLDER).sort();
  } catch {
    return [];
  }
}
