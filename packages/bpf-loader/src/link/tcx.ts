import { errno, type Fd } from "@weir/syscall";
import { misc } from "../features/misc.js";
import { attachTypeTable } from "../names/tables.js";
import { type Anchor, anchorFields } from "./anchor.js";
import { linkCreateOrdered } from "./attributes.js";
import { type AttachableProgram, createLink, LINK_CREATE, networkCapabilities } from "./create.js";
import type { BpfLink } from "./link.js";
import { progAttach } from "./prog-attach.js";
import { attachTc, type TcOptions } from "./tc.js";
import { type NetnsReference, within } from "./within.js";

/** Where to attach a program with tcx. */
export interface TcxOptions extends Anchor {
  /** Index of the device. */
  readonly ifindex: number;
  readonly direction: "ingress" | "egress";
  /** The namespace that the index belongs to, by path or open; the current one if absent. */
  readonly netns?: NetnsReference;
  /** Take the place of this program, which was attached without a link; takes `link: false`. */
  readonly replace?: { readonly fd: Fd };
  /** false: attach without a link, so that the program stays until somebody detaches it (BPF_PROG_ATTACH). */
  readonly link?: boolean;
  /**
   * What to do before Linux 6.6: by default the program becomes a filter of the device's clsact qdisc
   * ({@link BpfProgram.attachTc}), whose handle and priority may be given here; false refuses it.
   */
  readonly fallback?: false | Pick<TcOptions, "handle" | "priority" | "replace">;
}

const feature = {
  name: "tcx links",
  since: "6.6",
  has: () => misc("tcx"),
  hint: "Attach the program as a filter of the device's clsact qdisc instead.",
} as const;

/** What {@link BpfProgram.attachTcx} does. */
export function attachTcx(program: AttachableProgram, options: TcxOptions): BpfLink {
  const { ifindex, direction, netns, fallback } = options;
  try {
    return within(netns, () => attach(program, options));
  } catch (error) {
    const refused =
      (error as { errno?: number }).errno === errno.EINVAL || (error as Error).name === "NotSupportedError";
    if (!refused || fallback === false || ordered(options) || misc("tcx")) throw error;
    return attachTc(program, { ifindex, direction, ...(netns !== undefined && { netns }), ...fallback });
  }
}

function attach(program: AttachableProgram, options: TcxOptions): BpfLink {
  const { ifindex, direction } = options;
  const attachType = direction === "ingress" ? "tcx_ingress" : "tcx_egress";
  const place = `the ${direction} of device ${ifindex}`;
  const anchor = anchorFields(options);
  if (options.link === false || options.replace) {
    if (options.link !== false)
      throw new RangeError("a link takes nobody's place: give link: false, or update the other link");
    const { netns, replace } = options;
    return progAttach(program, {
      kind: "tcx",
      target: ifindex,
      attachType,
      place,
      replace,
      ...anchor,
      feature,
      linkSince: "6.6",
      replaceable: "by flag",
      within: (work) => within(netns, work),
    });
  }
  const attr = linkCreateOrdered.build({
    progFd: program.fd.number,
    target: ifindex,
    attachType: attachTypeTable.number(attachType),
    ...anchor,
  });
  const action = `attach program "${program.name}" to ${place}`;
  return createLink(LINK_CREATE, attr, `tcx link of ${program.name}`, action, networkCapabilities, feature);
}

/** Whether a place among others is asked for, which a filter could not be given. */
function ordered(options: TcxOptions): boolean {
  const { before, after, expectedRevision, replace, link } = options;
  return (
    before !== undefined ||
    after !== undefined ||
    expectedRevision !== undefined ||
    replace !== undefined ||
    link === false
  );
}
