import { join } from "node:path";
import type { BpfProgram } from "@weir/bpf-loader";
import type { NetworkNamespace } from "@weir/syscall";
import type { ProgramTable } from "./tcx/program-table.js";

/** What stamps the packets of one direction of an attachment, and how it is attached. */
export interface Stamp {
  /** The shared program; undefined where its pin is gone. */
  program: BpfProgram | undefined;
  /** The table through which a link that the host holds calls it; undefined where a filter runs it. */
  table: ProgramTable | undefined;
  /** The pod's namespace. */
  netns: NetworkNamespace;
  /** The file that holds the link. */
  pin: string;
  /** The map entry. */
  entry: number;
}

/** The file that holds a link of an attachment. @param owner the attachment's number */
export function stampPin(pinFolder: string, owner: bigint, direction: "egress" | "ingress"): string {
  return join(pinFolder, "links", `${owner.toString(16).padStart(16, "0")}-${direction}`);
}
