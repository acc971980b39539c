import { closeSync, openSync, readSync } from "node:fs";
import { BpfCommand, errno, type Fd, Struct, SystemError } from "@weir/syscall";
import { openBpf } from "../kernel/call.js";
import { attachTypeTable } from "../names/tables.js";
import { iteratorCreate, linkCreateIterator } from "./attributes.js";
import {
  type AttachableProgram,
  LINK_CREATE,
  linkDescriptor,
  requireType,
  tracingCapabilities,
} from "./create.js";
import { BpfLink } from "./link.js";

/** `enum bpf_cgroup_iter_order`, from 1. */
const orders = ["self_only", "descendants_pre", "descendants_post", "ancestors_up"] as const;

/** What an iterator walks, for those that do not walk all there is. One of map, cgroup, and tid or pid. */
export interface IteratorOptions {
  /** For iter/bpf_map_elem, bpf_sk_storage_map and sockmap: the map. */
  readonly map?: { readonly fd: Fd };
  /** For iter/cgroup: the cgroup's folder, and in which order to walk from there ("descendants_pre" if absent); Linux 6.1. */
  readonly cgroup?: string | Fd;
  readonly order?: "self_only" | "descendants_pre" | "descendants_post" | "ancestors_up";
  /** For iter/task and its like: one thread; Linux 6.1. */
  readonly tid?: number;
  /** For iter/task and its like: the threads of one process; Linux 6.1. */
  readonly pid?: number;
}

/** A program that walks over objects of the kernel and writes about them when somebody reads. */
export class BpfIterator extends BpfLink {
  /** Takes over the descriptor of an iterator's link. */
  static override adopt(fd: Fd): BpfIterator {
    return new BpfIterator(fd);
  }

  /** Opens a pinned iterator: not its text, which `cat` prints, but the link that {@link BpfLink.pin} has pinned. */
  static override open(path: string): BpfIterator {
    return new BpfIterator(BpfLink.open(path).fd);
  }

  /** Begins to walk: a descriptor to read the program's output from. Throws SystemError. */
  start(): Fd {
    const name = `output of the ${this.fd.name}`;
    const attr = iteratorCreate.build({ linkFd: this.fd.number });
    return openBpf(BpfCommand.ITER_CREATE, attr, name, `start the ${this.fd.name}`);
  }

  /** Walks, and gives what the program wrote piece by piece, so that no length is too long. Throws SystemError. */
  *chunks(size = 65_536): Generator<Uint8Array> {
    using output = this.start();
    const buffer = new Uint8Array(size);
    for (;;) {
      const length = readOutput(output, buffer);
      if (length === 0) return;
      yield buffer.slice(0, length);
    }
  }

  /** Walks, and gives all that the program wrote. Throws SystemError. */
  read(): Uint8Array {
    return new Uint8Array(Buffer.concat([...this.chunks()]));
  }

  /** The same as text. */
  text(): string {
    return new TextDecoder().decode(this.read());
  }
}

/** What {@link BpfProgram.attachIterator} does. */
export function attachIterator(program: AttachableProgram, options: IteratorOptions = {}): BpfIterator {
  requireType(program, "attachIterator", "tracing");
  const { map, cgroup, order = "descendants_pre", tid, pid } = options;
  const folder = typeof cgroup === "string" ? openSync(cgroup, "r") : cgroup?.number;
  try {
    const info = new Struct(folder === undefined && tid === undefined && pid === undefined ? 4 : 16);
    if (map) info.u32(0, map.fd.number);
    else if (folder !== undefined) info.u32(0, orders.indexOf(order) + 1).u32(4, folder);
    else if (tid !== undefined) info.u32(0, tid);
    else if (pid !== undefined) info.u32(4, pid);
    const plain = map === undefined && info.bytes.length === 4;
    const attr = linkCreateIterator.build({
      progFd: program.fd.number,
      attachType: attachTypeTable.number("trace_iter"),
      info: plain ? null : info,
      infoLength: plain ? 0 : info.bytes.length,
    });
    const action = `attach the iterator "${program.name}"`;
    const feature = map || plain ? ({ name: "iterators", since: "5.8" } as const) : limited;
    return BpfIterator.adopt(
      linkDescriptor(LINK_CREATE, attr, `iterator ${program.name}`, action, tracingCapabilities, feature),
    );
  } finally {
    if (typeof cgroup === "string") closeSync(folder!);
  }
}

const limited = { name: "iterators over one task or cgroup", since: "6.1" } as const;

function readOutput(output: Fd, buffer: Uint8Array): number {
  for (;;) {
    try {
      return readSync(output.number, buffer);
    } catch (error) {
      const { code, errno: number } = error as NodeJS.ErrnoException;
      // The program asks to be called again (bpf_seq_read, kernel/bpf/bpf_iter.c).
      if (code === "EAGAIN" || code === "EINTR") continue;
      throw new SystemError({
        errno: Math.abs(number ?? errno.EIO!),
        syscall: "read",
        action: `read the ${output.name}`,
        cause: error,
      });
    }
  }
}
