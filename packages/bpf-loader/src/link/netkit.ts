import { misc } from "../features/misc.js";
import { attachTypeTable } from "../names/tables.js";
import { type Anchor, anchorFields } from "./anchor.js";
import { linkCreateOrdered } from "./attributes.js";
import { type AttachableProgram, createLink, LINK_CREATE, networkCapabilities } from "./create.js";
import type { BpfLink } from "./link.js";
import { type NetnsReference, within } from "./within.js";

/** Where to attach a program in a netkit pair. */
export interface NetkitOptions extends Anchor {
  /** Index of the primary device: programs of both ends hang on it. */
  readonly ifindex: number;
  /** The device whose outgoing packets it handles; by the section that the program came from if absent, else the primary. */
  readonly end?: "primary" | "peer";
  /** The namespace that the index belongs to, by path or open; the current one if absent. */
  readonly netns?: NetnsReference;
}

/** What {@link BpfProgram.attachNetkit} does. */
export function attachNetkit(program: AttachableProgram, options: NetkitOptions): BpfLink {
  const attachType = options.end
    ? (`netkit_${options.end}` as const)
    : program.expectedAttachType === "netkit_peer"
      ? "netkit_peer"
      : "netkit_primary";
  const attr = linkCreateOrdered.build({
    progFd: program.fd.number,
    target: options.ifindex,
    attachType: attachTypeTable.number(attachType),
    ...anchorFields(options),
  });
  const action = `attach program "${program.name}" to the netkit device ${options.ifindex}`;
  return within(options.netns, () =>
    createLink(LINK_CREATE, attr, `netkit link of ${program.name}`, action, networkCapabilities, {
      name: "netkit links",
      since: "6.7",
      has: () => misc("netkit"),
    }),
  );
}
