import { NetworkNamespace } from "@weir/syscall";
import { type AttachType, attachTypeTable } from "../names/tables.js";
import { linkCreate } from "./attributes.js";
import {
  type AttachableProgram,
  createLink,
  LINK_CREATE,
  networkCapabilities,
  requireType,
} from "./create.js";
import type { BpfLink } from "./link.js";
import type { NetnsReference } from "./within.js";

/** Where to attach a sk_lookup or flow_dissector program. */
export interface NetnsOptions {
  /** The namespace, by path or open; the current one if absent. */
  readonly netns?: NetnsReference;
}

/** What {@link BpfProgram.attachNetns} does. */
export function attachNetns(program: AttachableProgram, options: NetnsOptions): BpfLink {
  const { netns } = options;
  const attachType: AttachType = program.type === "flow_dissector" ? "flow_dissector" : "sk_lookup";
  requireType(program, "attachNetns", "sk_lookup", "flow_dissector");
  using opened = netns instanceof NetworkNamespace ? undefined : open(netns);
  const namespace = opened ?? (netns as NetworkNamespace);
  const attr = linkCreate.build({
    progFd: program.fd.number,
    target: namespace.fd.number,
    attachType: attachTypeTable.number(attachType),
  });
  const action = `attach program "${program.name}" to the network namespace ${namespace.path}`;
  const feature =
    attachType === "sk_lookup"
      ? ({ name: "sk_lookup links", since: "5.9" } as const)
      : ({ name: "links to network namespaces", since: "5.8" } as const);
  return createLink(LINK_CREATE, attr, `netns link of ${program.name}`, action, networkCapabilities, feature);
}

function open(path: string | undefined): NetworkNamespace {
  return path === undefined ? NetworkNamespace.current() : NetworkNamespace.open(path);
}
