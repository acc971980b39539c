import { type Link, Rtnetlink } from "@weir/netlink";
import { NetworkNamespace } from "@weir/syscall";
import type { Attachment } from "./attachment.js";
import { ShaperError } from "./errors.js";
import type { AttachmentRecord } from "./records.js";

/** A device that is at hand: its namespace, a socket inside that, and the device as it was found there. */
export interface OpenDevice {
  namespace: NetworkNamespace;
  rt: Rtnetlink;
  link: Link;
}

/** Opens a pod's namespace. @throws ShaperError NETNS_MISSING, NOT_PERMITTED */
export function openNamespace(path: string): NetworkNamespace {
  try {
    return NetworkNamespace.open(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EPERM" || code === "EACCES") throw notPermitted(path, error);
    const what =
      code === "ENOENT" || code === "ENOTDIR"
        ? "there is no network namespace at"
        : "this is no network namespace:";
    throw new ShaperError("NETNS_MISSING", `${what} ${path}`, {
      remedy: "Was the pod deleted, or the path mistyped? `ip netns` lists the named ones.",
      cause: error,
    });
  }
}

/** Opens a socket inside a pod's namespace. @throws ShaperError NOT_PERMITTED */
export function openInside(namespace: NetworkNamespace): Rtnetlink {
  try {
    return Rtnetlink.open({ netns: namespace });
  } catch (error) {
    if ((error as { code?: string }).code === "EPERM") throw notPermitted(namespace.path, error);
    throw error;
  }
}

function notPermitted(path: string, cause: unknown): ShaperError {
  return new ShaperError("NOT_PERMITTED", `may not enter the network namespace ${path}`, {
    remedy: "Run as root (it takes CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_BPF).",
    cause,
  });
}

/** A record's namespace, or undefined where it is gone or its path names another one now. */
export function reopenNamespace(record: AttachmentRecord): NetworkNamespace | undefined {
  let namespace: NetworkNamespace;
  try {
    namespace = NetworkNamespace.open(record.netns);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EINVAL") return undefined;
    throw error;
  }
  if (identityOf(namespace) === record.namespace) return namespace;
  namespace.close();
  return undefined;
}

/** A namespace's identity as records hold it. */
export function identityOf({ identity }: NetworkNamespace): string {
  return `${identity.device}:${identity.inode}`;
}

/** Whether a record's device is still there. */
export function deviceExists(record: AttachmentRecord): boolean {
  const namespace = reopenNamespace(record);
  if (!namespace) return false;
  using _namespace = namespace;
  using rt = openInside(namespace);
  return rt.links.find(record.ifindex) !== undefined;
}

/** The device of an attachment. @throws ShaperError DEVICE_MISSING, DEVICE_DOWN */
export function findDevice(rt: Rtnetlink, { device, netns }: Attachment): Link {
  const link = rt.links.find(device);
  if (!link) {
    const names = [...rt.links.dump({ skipStats: true })].map(({ name }) => name);
    throw new ShaperError("DEVICE_MISSING", `there is no device ${device} in ${netns}`, {
      remedy: `It has ${names.join(", ")}.`,
    });
  }
  if (!link.up) {
    throw new ShaperError("DEVICE_DOWN", `the device ${device} in ${netns} is down`, {
      remedy: `Switch it on first: ip -n NAME link set ${device} up`,
    });
  }
  return link;
}
