import type { Fd } from "@weir/syscall";
import type { Btf } from "../btf/btf.js";
import { BpfObjectError } from "../object/error.js";
import { programInfo } from "./attributes.js";
import { readKernelBtf } from "./kernel-btf.js";
import { objectInfo } from "./pin.js";

/** The types of a loaded program. Takes CAP_SYS_ADMIN. Throws SystemError, or {@link BpfObjectError} if it has none. */
export function programBtf(program: { readonly fd: Fd; readonly name: string }): { id: number; btf: Btf } {
  const { btfId } = objectInfo(program.fd, programInfo);
  if (btfId !== 0) return { id: btfId, btf: readKernelBtf(btfId) };
  throw new BpfObjectError(
    "BPF_EXTERN",
    `the functions of program "${program.name}" are not known: it was loaded without BTF; compile it with -g`,
  );
}
