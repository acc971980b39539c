import { BpfCommand } from "@weir/syscall";
import { Btf } from "../btf/btf.js";
import { btfInfo, objectId } from "./attributes.js";
import { openBpf } from "./call.js";
import { objectInfo } from "./pin.js";

/** Reads BTF back from the kernel by its id. Takes CAP_SYS_ADMIN. Throws SystemError. */
export function readKernelBtf(id: number): Btf {
  using fd = openBpf(BpfCommand.BTF_GET_FD_BY_ID, objectId.build({ id }), `BTF ${id}`, `open BTF ${id}`, [
    "CAP_SYS_ADMIN",
  ]);
  const { btfSize } = objectInfo(fd, btfInfo);
  const bytes = new Uint8Array(btfSize);
  objectInfo(fd, btfInfo, btfInfo.build({ btf: bytes, btfSize }));
  return Btf.parse(bytes);
}
