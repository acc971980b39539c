import { openSync } from "node:fs";
import { BpfCommand, errno, Fd, NetworkNamespace, tryBpf } from "@weir/syscall";
import { attachTypeSince } from "../features/since.js";
import { bpfError } from "../kernel/call.js";
import { type AttachType, attachTypeTable } from "../names/tables.js";
import { programQuery } from "./attributes.js";
import { explained, type NeededFeature } from "./create.js";
import { type NetnsReference, within } from "./within.js";

/** A place where programs are attached. */
export type QueryTarget =
  | {
      readonly ifindex: number;
      readonly netns?: NetnsReference;
      readonly attachType: "tcx_ingress" | "tcx_egress" | "netkit_primary" | "netkit_peer";
    }
  | {
      readonly cgroup: string | Fd;
      readonly attachType: AttachType;
      /** Those that run there, with those of the cgroups above, rather than those that were attached there. */
      readonly effective?: boolean;
    }
  | { readonly netns: NetnsReference; readonly attachType: "flow_dissector" | "sk_lookup" }
  /** A sockmap; Linux 5.18. */
  | { readonly map: { readonly fd: Fd }; readonly attachType: AttachType };

/** A program that is attached. */
export interface AttachedProgram {
  readonly programId: number;
  /** For tcx and netkit: the link's id, if it is attached by one. */
  readonly linkId: number | undefined;
}

/** What is attached at a place, in the order in which it runs. */
export interface QueryResult {
  /** For tcx, netkit and, since 6.17, cgroups: grows with each change; for `expectedRevision`. Else 0n. */
  readonly revision: bigint;
  /** For cgroups: the flags (`BPF_F_ALLOW_*`) that programs were attached with. */
  readonly attachFlags: number;
  readonly programs: readonly AttachedProgram[];
}

/** BPF_PROG_QUERY: what is attached somewhere. Takes CAP_NET_ADMIN. Throws NotSupportedError or SystemError. */
export function queryPrograms(target: QueryTarget): QueryResult {
  if ("ifindex" in target) {
    return within(target.netns, () =>
      query(target.ifindex, target.attachType, 0, true, `device ${target.ifindex}`),
    );
  }
  if ("cgroup" in target) {
    using folder =
      typeof target.cgroup === "string"
        ? Fd.adopt(openSync(target.cgroup, "r"), `cgroup ${target.cgroup}`)
        : target.cgroup.duplicate();
    return query(folder.number, target.attachType, target.effective ? 1 : 0, false, folder.name);
  }
  if ("map" in target) return query(target.map.fd.number, target.attachType, 0, false, target.map.fd.name);
  if (target.netns instanceof NetworkNamespace)
    return query(target.netns.fd.number, target.attachType, 0, false, target.netns.path);
  using opened = NetworkNamespace.open(target.netns);
  return query(opened.fd.number, target.attachType, 0, false, opened.path);
}

function query(
  number: number,
  attachType: AttachType,
  queryFlags: number,
  hasLinks: boolean,
  place: string,
): QueryResult {
  const fields = { target: number, attachType: attachTypeTable.number(attachType), queryFlags };
  for (let room = 16; ; ) {
    const programIds = new Uint32Array(room);
    const linkIds = new Uint32Array(room);
    // A kernel refuses pointers that it does not know.
    const attr = programQuery.build({
      ...fields,
      programIds: new Uint8Array(programIds.buffer),
      linkIds: hasLinks ? new Uint8Array(linkIds.buffer) : null,
      count: room,
    });
    const result = tryBpf(BpfCommand.PROG_QUERY, attr);
    const { count, revision, attachFlags } = programQuery.read(attr);
    if (result === -errno.ENOSPC! && room < 65_536) {
      room = Math.max(room * 2, count);
      continue;
    }
    if (result < 0) {
      const action = `ask which programs are attached to ${place}`;
      throw explained(
        bpfError(BpfCommand.PROG_QUERY, -result, action, ["CAP_NET_ADMIN"]),
        featureOf(attachType),
      );
    }
    const programs = [...programIds.subarray(0, count)].map((programId, i) => ({
      programId,
      linkId: linkIds[i] || undefined,
    }));
    return { revision, attachFlags, programs };
  }
}

/** What a query takes beyond BPF_PROG_QUERY itself. */
function featureOf(attachType: AttachType): NeededFeature | undefined {
  const since = attachTypeSince(attachType) as NeededFeature["since"] | undefined;
  if (/^(tcx|netkit)_/.test(attachType))
    return { name: `programs for the attach type ${attachType}`, since: since! };
  if (/^sk_(skb|msg)_/.test(attachType)) return { name: "queries of sockmaps", since: "5.18" };
  return since && { name: `programs for the attach type ${attachType}`, since };
}
