import { attachTypeTable } from "../names/tables.js";
import { linkCreateNetfilter } from "./attributes.js";
import {
  type AttachableProgram,
  createLink,
  LINK_CREATE,
  networkCapabilities,
  requireType,
} from "./create.js";
import type { BpfLink } from "./link.js";
import {
  type NetfilterFamily,
  type NetfilterHook,
  netfilterFamilyNumber,
  netfilterHookNumber,
} from "./netfilter-names.js";
import { type NetnsReference, within } from "./within.js";

/** Where to attach a netfilter program. */
export interface NetfilterOptions {
  readonly family: Exclude<NetfilterFamily, "inet">;
  readonly hook: NetfilterHook;
  /** Lower runs first; the kernel refuses -2147483648, 2147483647 and a priority that is taken. 0 if absent. */
  readonly priority?: number;
  /** Put fragments together first; takes a priority above -400. */
  readonly defragment?: boolean;
  /** The namespace whose packets it sees, by path or open; the current one if absent. */
  readonly netns?: NetnsReference;
}

/** What {@link BpfProgram.attachNetfilter} does. */
export function attachNetfilter(program: AttachableProgram, options: NetfilterOptions): BpfLink {
  requireType(program, "attachNetfilter", "netfilter");
  const { family, hook, priority = 0, defragment = false } = options;
  const attr = linkCreateNetfilter.build({
    progFd: program.fd.number,
    attachType: attachTypeTable.number("netfilter"),
    family: netfilterFamilyNumber(family),
    hook: netfilterHookNumber(hook),
    priority,
    netfilterFlags: defragment ? 1 : 0,
  });
  const action = `attach program "${program.name}" to the ${family} ${hook} hook`;
  return within(options.netns, () =>
    createLink(LINK_CREATE, attr, `netfilter link of ${program.name}`, action, networkCapabilities, {
      name: "netfilter links",
      since: "6.4",
    }),
  );
}
