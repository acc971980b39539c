import { BpfCommand, Fd, type SystemError } from "@weir/syscall";
import { kernelImage, usedParts } from "../btf/kernel-image.js";
import type { BtfSlice } from "../btf/slice.js";
import { btfSupport } from "../features/btf.js";
import { btfLoad } from "./attributes.js";
import { bpfError, callBpf } from "./call.js";
import { withLog } from "./log.js";

/** The part of an object's BTF that a load needs, in the kernel; or why the kernel would not have it. */
export type LoadedBtf =
  | { readonly slice: BtfSlice; readonly fd: Fd; readonly error?: undefined }
  | { readonly slice: BtfSlice; readonly fd?: undefined; readonly error: SystemError };

/**
 * BPF_BTF_LOAD, less what the kernel does not know.
 * @param staticFunctions names of global functions that are to be checked as if they were static
 */
export function loadBtf(slice: BtfSlice, staticFunctions: readonly string[]): LoadedBtf {
  const { btf } = slice;
  const ids = staticFunctions.flatMap((name) => btf.find(name, "func")?.id ?? []);
  const image = kernelImage(btf, btfSupport(usedParts(btf)), ids);
  const attr = btfLoad.build({ btf: image, btfSize: image.length });
  const result = callBpf(BpfCommand.BTF_LOAD, attr);
  if (result >= 0) return { slice, fd: Fd.adopt(result, "BTF") };
  const { log } = withLog((buffer) => {
    attr.u32(btfLoad.offset.btfLogLevel, 1).u32(btfLoad.offset.btfLogSize, buffer.length);
    return callBpf(BpfCommand.BTF_LOAD, attr.pointer(btfLoad.offset.btfLogBuf, buffer));
  });
  const reason = log.trim().split("\n").at(-1);
  return {
    slice,
    error: bpfError(
      BpfCommand.BTF_LOAD,
      -result,
      "load the object's BTF",
      ["CAP_BPF"],
      reason ? `The kernel says: ${reason}` : undefined,
    ),
  };
}
