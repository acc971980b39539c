import { errno, NotSupportedError, SystemError } from "@weir/syscall";
import { attachTypeTable } from "../names/tables.js";
import { linkCreate } from "./attributes.js";
import {
  type AttachableProgram,
  createLink,
  LINK_CREATE,
  networkCapabilities,
  requireType,
} from "./create.js";
import { LegacyLink } from "./legacy.js";
import type { BpfLink } from "./link.js";
import { type Attribute, attributes, hostIsLittle, number32, request } from "./rtnetlink.js";
import { type NetnsReference, within } from "./within.js";

// include/uapi/linux/rtnetlink.h, if_link.h
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const IFLA_XDP = 43;
const IFLA_XDP_FD = 1;
const IFLA_XDP_ATTACHED = 2;
const IFLA_XDP_FLAGS = 3;
const IFLA_XDP_PROG_ID = 4;
const IFLA_XDP_DRV_PROG_ID = 5;
const IFLA_XDP_SKB_PROG_ID = 6;
const IFLA_XDP_HW_PROG_ID = 7;
const IFLA_XDP_EXPECTED_FD = 8;
const IFINFOMSG = 16;
const XDP_FLAGS_UPDATE_IF_NOEXIST = 1;
const XDP_FLAGS_REPLACE = 16;
const modes: Readonly<Record<XdpMode, number>> = { generic: 2, native: 4, offload: 8 };

/** Where XDP runs: in the network stack, which any device can; in the driver; on the card. */
export type XdpMode = "generic" | "native" | "offload";

/** Where to attach an XDP program. */
export interface XdpOptions {
  /** Index of the device. */
  readonly ifindex: number;
  /** The namespace that the index belongs to, by path or open; the current one if absent. */
  readonly netns?: NetnsReference;
  /** If absent, the driver if it can, else the network stack. */
  readonly mode?: XdpMode;
  /** false: through netlink, so that the program stays until somebody detaches it. Before Linux 5.9 always so. */
  readonly link?: boolean;
  /** Through netlink only: the program whose place to take; nothing happens if another is there. Linux 5.7. */
  readonly replace?: { readonly fd: { readonly number: number } };
  /** Through netlink only: take the place of whatever is there. */
  readonly force?: boolean;
}

/** The XDP programs of a device, by id. */
export interface XdpAttachments {
  readonly generic: number | undefined;
  readonly native: number | undefined;
  readonly offload: number | undefined;
}

const feature = { name: "XDP links", since: "5.9" } as const;

/** What {@link BpfProgram.attachXdp} does. */
export function attachXdp(program: AttachableProgram, options: XdpOptions): BpfLink {
  requireType(program, "attachXdp", "xdp");
  const { ifindex, netns, mode } = options;
  const needsNetlink = options.replace !== undefined || options.force === true;
  if (needsNetlink && options.link !== false)
    throw new RangeError("a link takes nobody's place: give link: false, or update the other link");
  if (options.link === false) return throughNetlink(program, options);
  const attr = linkCreate.build({
    progFd: program.fd.number,
    target: ifindex,
    attachType: attachTypeTable.number("xdp"),
    flags: mode === undefined ? 0 : modes[mode],
  });
  const action = `attach program "${program.name}" to device ${ifindex} as XDP`;
  try {
    return within(netns, () =>
      createLink(LINK_CREATE, attr, `XDP link of ${program.name}`, action, networkCapabilities, feature),
    );
  } catch (error) {
    if (error instanceof NotSupportedError && options.link === undefined)
      return throughNetlink(program, options);
    throw explainXdp(error, ifindex, mode);
  }
}

/** The XDP programs that a device runs now. Throws SystemError. */
export function queryXdp(options: { ifindex: number; netns?: NetnsReference }): XdpAttachments {
  const { ifindex, netns } = options;
  const [link] = request(netns, RTM_GETLINK, 0, interfaceMessage(ifindex), [], `look at device ${ifindex}`);
  const xdp = link && attributes(link.body, IFINFOMSG).get(IFLA_XDP);
  const found = xdp ? attributes(xdp, 0) : new Map<number, DataView>();
  // With one program kernels before 4.20 gave its id and its mode (XDP_ATTACHED_DRV, SKB, HW) alone.
  const single = found.get(IFLA_XDP_ATTACHED)?.getUint8(0);
  const id = (attribute: number, attached: number) =>
    number32(found.get(attribute)) ??
    (single === attached ? number32(found.get(IFLA_XDP_PROG_ID)) : undefined);
  return {
    native: id(IFLA_XDP_DRV_PROG_ID, 1),
    generic: id(IFLA_XDP_SKB_PROG_ID, 2),
    offload: id(IFLA_XDP_HW_PROG_ID, 3),
  };
}

/**
 * Takes an XDP program off a device to which it was attached through netlink, by whomever.
 * @param options.expected take it off only if it is this one; Linux 5.7
 * @throws SystemError: EEXIST if it is another one
 */
export function detachXdp(options: {
  ifindex: number;
  netns?: NetnsReference;
  mode?: XdpMode;
  expected?: { readonly fd: { readonly number: number } };
}): void {
  set(
    options.netns,
    options.ifindex,
    -1,
    options.mode ? modes[options.mode] : 0,
    options.expected?.fd.number,
    "",
  );
}

function throughNetlink(program: AttachableProgram, options: XdpOptions): LegacyLink {
  const { ifindex, netns, mode, replace, force } = options;
  const modeFlag = mode === undefined ? 0 : modes[mode];
  const flags = modeFlag | (replace || force ? 0 : XDP_FLAGS_UPDATE_IF_NOEXIST);
  try {
    set(netns, ifindex, program.fd.number, flags, replace?.fd.number, program.name);
  } catch (error) {
    throw explainXdp(error, ifindex, mode);
  }
  let current = program.fd.duplicate();
  return new LegacyLink({
    kind: "xdp",
    fd: program.fd.duplicate(),
    linkSince: "5.9",
    update(next) {
      set(netns, ifindex, next.fd.number, modeFlag, current.number, next.name);
      current.close();
      current = next.fd.duplicate();
    },
    detach() {
      try {
        set(netns, ifindex, -1, modeFlag, current.number, "");
      } catch (error) {
        // Another program has taken its place, or the device is gone.
        const gone: unknown[] = [errno.EEXIST, errno.ENODEV, errno.ENOENT];
        if (!(error instanceof SystemError && gone.includes(error.errno))) throw error;
      }
    },
    release() {
      current.close();
    },
  });
}

function set(
  netns: NetnsReference | undefined,
  ifindex: number,
  fd: number,
  flags: number,
  expected: number | undefined,
  name: string,
): void {
  const nested: Attribute[] = [
    [IFLA_XDP_FD, fd],
    [IFLA_XDP_FLAGS, flags | (expected === undefined ? 0 : XDP_FLAGS_REPLACE)],
  ];
  if (expected !== undefined) nested.push([IFLA_XDP_EXPECTED_FD, expected]);
  const action =
    fd === -1
      ? `detach the XDP program of device ${ifindex}`
      : `attach program "${name}" to device ${ifindex} as XDP`;
  request(netns, RTM_SETLINK, 0, interfaceMessage(ifindex), [[IFLA_XDP, nested]], action);
}

/** A driver without XDP is no old kernel, but it is a missing feature all the same. */
function explainXdp(error: unknown, ifindex: number, mode: XdpMode | undefined): unknown {
  const refused = (error as { errno?: number }).errno === errno.EOPNOTSUPP;
  if (!refused || mode === undefined || mode === "generic") return error;
  return new NotSupportedError({
    feature: `${mode} XDP in the driver of device ${ifindex}`,
    hint: 'Attach it with mode "generic".',
    cause: error,
  });
}

/** `struct ifinfomsg`. */
function interfaceMessage(ifindex: number): Uint8Array {
  const bytes = new Uint8Array(IFINFOMSG);
  new DataView(bytes.buffer).setInt32(4, ifindex, hostIsLittle);
  return bytes;
}
