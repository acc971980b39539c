import { ShaperError } from "./errors.js";

/** One interface of one pod. */
export interface Attachment {
  /** The caller's name for it, unique on the node: "CONTAINERID/IFNAME" from the plugin. */
  id: string;
  /** The path of the network namespace: /run/netns/blue. */
  netns: string;
  /** The device's name inside the namespace: eth0. */
  device: string;
  /** Who asked for it, so that a collection for one owner leaves the others' alone: the name of the CNI network. */
  network?: string;
  /** Addresses that it sends from beside those that the device has, for the guard: those of a CNI result. */
  addresses?: readonly string[];
  /** The uplink that it shares with others ({@link Shaper.setUplink}); absent, its limits alone count. */
  uplink?: string;
  /**
   * A name that several attachments share, such as a container's id: they have one limit together in each direction,
   * the one that was applied last.
   */
  aggregate?: string;
  /** The Kubernetes pod that it belongs to, where that is known. */
  pod?: PodIdentity;
  /** Whether its limits are its network's own, which no annotation of the pod changes. */
  fixed?: boolean;
}

/** Which pod of Kubernetes something belongs to. */
export interface PodIdentity {
  /** Its namespace in Kubernetes. */
  namespace: string;
  /** Its name in that namespace. */
  name: string;
  /** Its uid, by which it is told from a later pod of the same name; some runtimes do not say it. */
  uid?: string;
}

/** Checks an id: printable, not empty, at most 200 characters. Throws ShaperError INVALID_ATTACHMENT. */
export function validateId(id: string): void {
  if (!/^[\x21-\x7e]{1,200}$/.test(id)) {
    throw new ShaperError(
      "INVALID_ATTACHMENT",
      `${JSON.stringify(id)} is no attachment id: it must be 1 to 200 printable ASCII characters without spaces`,
    );
  }
}

/** Checks an attachment's fields before the kernel sees them. Throws ShaperError INVALID_ATTACHMENT. */
export function validateAttachment({ id, netns, device, aggregate }: Attachment): void {
  validateId(id);
  if (aggregate !== undefined && !/^[\x21-\x7e]{1,80}$/.test(aggregate)) {
    throw new ShaperError(
      "INVALID_ATTACHMENT",
      `${JSON.stringify(aggregate)} is no name of an aggregate: it must be 1 to 80 printable ASCII characters without spaces`,
    );
  }
  // net/core/dev.c, dev_valid_name.
  if (device === "." || device === ".." || !/^[^\s/:\0]{1,15}$/.test(device)) {
    throw new ShaperError(
      "INVALID_ATTACHMENT",
      `${JSON.stringify(device)} is no device name: it must be 1 to 15 characters without white space, slash or colon`,
    );
  }
  if (netns === "" || netns.includes("\0")) {
    throw new ShaperError("INVALID_ATTACHMENT", `${JSON.stringify(netns)} is no path of a network namespace`);
  }
}
