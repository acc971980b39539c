import type { Fd } from "@weir/syscall";
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
import { progAttach } from "./prog-attach.js";

/** How to attach a program to a sockmap or sockhash. */
export interface SockmapOptions {
  /** sk_skb_stream_parser, sk_skb_stream_verdict, sk_skb_verdict or sk_msg_verdict; by the program's section if absent. */
  readonly attachType?: AttachType;
  /** true: by a link, Linux 6.10; else it stays for as long as the map does, or until this is closed. */
  readonly link?: boolean;
}

/** What {@link BpfProgram.attachSockmap} does. */
export function attachSockmap(
  program: AttachableProgram,
  map: { readonly fd: Fd; readonly name: string },
  options: SockmapOptions = {},
): BpfLink {
  requireType(program, "attachSockmap", "sk_skb", "sk_msg");
  const attachType = options.attachType ?? program.expectedAttachType;
  if (!attachType) {
    throw new RangeError(`say what program "${program.name}" handles (attachType): its section does not`);
  }
  const place = `map "${map.name}"`;
  if (options.link) {
    const attr = linkCreate.build({
      progFd: program.fd.number,
      target: map.fd.number,
      attachType: attachTypeTable.number(attachType),
    });
    const action = `attach program "${program.name}" to ${place}`;
    return createLink(LINK_CREATE, attr, `sockmap link of ${program.name}`, action, networkCapabilities, {
      name: "links to sockmaps",
      since: "6.10",
    });
  }
  const held = map.fd.duplicate();
  return progAttach(program, {
    kind: "sockmap",
    target: held.number,
    attachType,
    place,
    linkSince: "6.10",
    replaceable: "by attaching",
    held,
  });
}
