import { errno, tryBpf } from "@weir/syscall";
import { objectId } from "./attributes.js";
import { bpfError } from "./call.js";

/** BPF_PROG_GET_NEXT_ID and its like: all ids, in ascending order. Throws SystemError (EPERM without CAP_SYS_ADMIN). */
export function* objectIds(command: number, what: string): Generator<number> {
  for (let id = 0; ; ) {
    const attr = objectId.build({ id });
    const result = tryBpf(command, attr);
    if (result === -errno.ENOENT!) return;
    if (result < 0) throw bpfError(command, -result, `list the kernel's BPF ${what}`, ["CAP_SYS_ADMIN"]);
    id = objectId.read(attr).nextId;
    yield id;
  }
}
