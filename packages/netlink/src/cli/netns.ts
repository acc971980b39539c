import { existsSync } from "node:fs";
import { type NetworkNamespace, SystemError } from "@weir/syscall";
import { Rtnetlink } from "../index.js";
import { CommandError } from "./errors.js";

/** A network namespace as people name it: a name of `ip netns`, a path, or a process id. */
export function namespacePath(text: string): string {
  if (text.includes("/")) return text;
  const named = `/run/netns/${text}`;
  return /^[0-9]+$/.test(text) && !existsSync(named) ? `/proc/${text}/ns/net` : named;
}

/** Opens rtnetlink in a network namespace; default the caller's. Throws {@link CommandError}. */
export function openRtnetlink(netns: string | undefined): Rtnetlink {
  return inNamespace(netns, (options) => Rtnetlink.open(options));
}

/** Opens something in a network namespace. Throws {@link CommandError}, which names the namespace. */
export function inNamespace<T>(
  netns: string | undefined,
  open: (options: { netns?: string | NetworkNamespace }) => T,
): T {
  if (netns === undefined) return open({});
  const path = namespacePath(netns);
  try {
    return open({ netns: path });
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT")
      throw new CommandError(
        `there is no network namespace at ${path}: \`ip netns list\` shows the names, and a path or a process id does as well`,
        { cause: error },
      );
    throw error;
  }
}
