import type { Fd } from "@weir/syscall";
import { type AttachType, attachTypeTable } from "../names/tables.js";
import { type Anchor, anchorFields } from "./anchor.js";
import { linkCreateOrdered } from "./attributes.js";
import {
  type AttachableProgram,
  createLink,
  LINK_CREATE,
  type NeededFeature,
  networkCapabilities,
} from "./create.js";
import type { BpfLink } from "./link.js";
import { progAttach } from "./prog-attach.js";
import { type NetnsReference, within } from "./within.js";

/** A device where several programs run one after the other (kernel/bpf/mprog.c). */
export interface OrderedOptions extends Anchor {
  /** Index of the device. */
  readonly ifindex: number;
  /** The namespace that the index belongs to, by path or open; the current one if absent. */
  readonly netns?: NetnsReference;
  /** false: attach without a link, so that the program stays until somebody detaches it (BPF_PROG_ATTACH). */
  readonly link?: boolean;
  /** Take the place of this program, which was attached without a link; takes `link: false`. */
  readonly replace?: { readonly fd: Fd };
}

/** Attaches to a device by tcx or netkit. */
export function attachOrdered(
  program: AttachableProgram,
  options: OrderedOptions,
  kind: "tcx" | "netkit",
  attachType: AttachType,
  place: string,
  feature: NeededFeature,
): BpfLink {
  const { ifindex, netns, replace } = options;
  const anchor = anchorFields(options);
  if (options.link === false) {
    return progAttach(program, {
      kind,
      target: ifindex,
      attachType,
      place,
      replace,
      ...anchor,
      feature,
      linkSince: feature.since,
      replaceable: "by flag",
      within: (work) => within(netns, work),
    });
  }
  if (replace)
    throw new RangeError("a link takes nobody's place: give link: false, or update the other link");
  const attr = linkCreateOrdered.build({
    progFd: program.fd.number,
    target: ifindex,
    attachType: attachTypeTable.number(attachType),
    ...anchor,
  });
  const action = `attach program "${program.name}" to ${place}`;
  return within(netns, () =>
    createLink(LINK_CREATE, attr, `${kind} link of ${program.name}`, action, networkCapabilities, feature),
  );
}
