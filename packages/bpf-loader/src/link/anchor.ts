import type { Fd } from "@weir/syscall";
import { AttachFlag } from "./attributes.js";

/** Another program or link of the same place: open, or by its id. */
export type AnchorTarget = { readonly fd: Fd } | { readonly programId: number } | { readonly linkId: number };

/** Where a program stands among the others that run at the same place; last if nothing is said. */
export interface Anchor {
  /** Run before this one, or before all others. */
  readonly before?: AnchorTarget | "all" | undefined;
  /** Run after this one, or after all others. */
  readonly after?: AnchorTarget | "all" | undefined;
  /** Attach only if nothing has changed there since a query gave this revision; ESTALE tells that it has. */
  readonly expectedRevision?: bigint | undefined;
}

/** The fields of BPF_LINK_CREATE and BPF_PROG_ATTACH that say so (kernel/bpf/mprog.c). */
export function anchorFields(anchor: Anchor): { flags: number; relative: number; expectedRevision: bigint } {
  const { before, after, expectedRevision = 0n } = anchor;
  let flags = 0;
  let relative = 0;
  for (const [target, flag] of [
    [before, AttachFlag.BEFORE],
    [after, AttachFlag.AFTER],
  ] as const) {
    if (target === undefined) continue;
    flags |= flag;
    if (target === "all") continue;
    const given = anchorTarget(target);
    flags |= given.flags;
    relative = given.relative;
  }
  return { flags, relative, expectedRevision };
}

function anchorTarget(target: AnchorTarget): { flags: number; relative: number } {
  if ("programId" in target) return { flags: AttachFlag.ID, relative: target.programId };
  if ("linkId" in target) return { flags: AttachFlag.ID | AttachFlag.LINK, relative: target.linkId };
  const isLink = "detach" in target;
  return { flags: isLink ? AttachFlag.LINK : 0, relative: target.fd.number };
}
