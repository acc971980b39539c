import { errno, type Fd, SystemError } from "@weir/syscall";
import { programInfo } from "../kernel/attributes.js";
import { objectInfo } from "../kernel/pin.js";
import { type AttachableProgram, requireType } from "./create.js";
import { LegacyLink } from "./legacy.js";
import { attributes, hostIsLittle, number32, RequestFlag, request } from "./rtnetlink.js";
import type { NetnsReference } from "./within.js";

// include/uapi/linux/rtnetlink.h, pkt_sched.h, pkt_cls.h
const RTM_NEWQDISC = 36;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
const TCA_BPF_ID = 11;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const TC_H_CLSACT = 0xffff_fff1;
const CLSACT_HANDLE = 0xffff_0000;
const parents = { ingress: 0xffff_fff2, egress: 0xffff_fff3 };
const ETH_P_ALL = 0x0003;
const TCMSG = 20;

/** Where to attach a program as a filter of the classic tc. */
export interface TcOptions {
  /** Index of the device. */
  readonly ifindex: number;
  readonly direction: "ingress" | "egress";
  /** The namespace that the index belongs to, by path or open; the current one if absent. */
  readonly netns?: NetnsReference;
  /** From 1; the kernel chooses one if absent. */
  readonly handle?: number;
  /** 1 to 65535, lower runs first; the kernel chooses one below those that are there if absent. */
  readonly priority?: number;
  /** Take the place of the filter with this handle and priority, if there is one. */
  readonly replace?: boolean;
}

/** A filter of a clsact qdisc that runs a program. */
export class TcFilter extends LegacyLink {
  /** As the kernel knows it, whether it was given or chosen. */
  readonly handle: number;
  readonly priority: number;

  /** Made by {@link BpfProgram.attachTc}. */
  constructor(
    attachment: ConstructorParameters<typeof LegacyLink>[0],
    place: { readonly handle: number; readonly priority: number },
  ) {
    super(attachment);
    this.handle = place.handle;
    this.priority = place.priority;
  }
}

/** What {@link BpfProgram.attachTc} does. */
export function attachTc(program: AttachableProgram, options: TcOptions): TcFilter {
  requireType(program, "attachTc", "sched_cls");
  const { ifindex, direction, netns, priority = 0, handle = 0 } = options;
  const place = `the ${direction} of device ${ifindex}`;
  addClsact(ifindex, netns);
  const set = (next: { readonly fd: Fd; readonly name: string }, where: Place, flags: number) =>
    request(
      netns,
      RTM_NEWTFILTER,
      RequestFlag.CREATE | RequestFlag.ECHO | flags,
      tcMessage(ifindex, parents[direction], where.handle, where.priority),
      [
        [TCA_KIND, "bpf"],
        [
          TCA_OPTIONS,
          [
            [TCA_BPF_FD, next.fd.number],
            [TCA_BPF_NAME, next.name || "bpf"],
            [TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT],
          ],
        ],
      ],
      `attach program "${next.name}" as a filter to ${place}`,
    );
  const echo = set(
    program,
    { handle, priority },
    options.replace ? RequestFlag.REPLACE : RequestFlag.EXCL,
  ).find((reply) => reply.type === RTM_NEWTFILTER);
  const chosen = echo ? placeOf(echo.body) : { handle, priority };
  let programId = objectInfo(program.fd, programInfo).id;
  return new TcFilter(
    {
      kind: "tc filter",
      fd: program.fd.duplicate(),
      linkSince: "6.6",
      update(next) {
        set(next, chosen, RequestFlag.REPLACE);
        programId = objectInfo(next.fd, programInfo).id;
      },
      detach() {
        removeOwn(netns, ifindex, parents[direction], chosen, programId, place);
      },
    },
    chosen,
  );
}

interface Place {
  readonly handle: number;
  readonly priority: number;
}

function addClsact(ifindex: number, netns: NetnsReference | undefined): void {
  try {
    request(
      netns,
      RTM_NEWQDISC,
      RequestFlag.CREATE | RequestFlag.EXCL,
      tcMessage(ifindex, TC_H_CLSACT, CLSACT_HANDLE, 0, 0),
      [[TCA_KIND, "clsact"]],
      `add a clsact qdisc to device ${ifindex}`,
    );
  } catch (error) {
    if ((error as SystemError).errno !== errno.EEXIST) throw error;
  }
}

/** Removes the filter if it still runs our program: somebody else may have taken its place in the meantime. */
function removeOwn(
  netns: NetnsReference | undefined,
  ifindex: number,
  parent: number,
  place: Place,
  programId: number,
  where: string,
): void {
  const message = tcMessage(ifindex, parent, place.handle, place.priority);
  try {
    const [found] = request(
      netns,
      RTM_GETTFILTER,
      0,
      message,
      [[TCA_KIND, "bpf"]],
      `look at the filter of ${where}`,
    );
    const options = found && attributes(found.body, TCMSG).get(TCA_OPTIONS);
    const id = options && number32(attributes(options, 0).get(TCA_BPF_ID));
    if (id !== undefined && id !== programId) return;
    request(netns, RTM_DELTFILTER, 0, message, [[TCA_KIND, "bpf"]], `remove the filter of ${where}`);
  } catch (error) {
    // The filter, its qdisc or its device is gone.
    const gone: unknown[] = [errno.ENOENT, errno.ENODEV, errno.EINVAL];
    if (!(error instanceof SystemError && gone.includes(error.errno))) throw error;
  }
}

/** `struct tcmsg`. */
function tcMessage(
  ifindex: number,
  parent: number,
  handle: number,
  priority: number,
  protocol = ETH_P_ALL,
): Uint8Array {
  const bytes = new Uint8Array(TCMSG);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, ifindex, hostIsLittle);
  view.setUint32(8, handle, hostIsLittle);
  view.setUint32(12, parent, hostIsLittle);
  // The protocol is in network byte order whatever the host's.
  view.setUint16(hostIsLittle ? 18 : 16, priority, hostIsLittle);
  view.setUint16(hostIsLittle ? 16 : 18, protocol, false);
  return bytes;
}

function placeOf(body: DataView): Place {
  return {
    handle: body.getUint32(8, hostIsLittle),
    priority: body.getUint32(16, hostIsLittle) >>> 16,
  };
}
