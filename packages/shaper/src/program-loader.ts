import { BpfObject, type BpfProgram, features } from "@weir/bpf-loader";
import { weirObjectBase64 } from "./weir-object.js";

/** bpf_skb_set_tstamp, include/uapi/linux/bpf.h. */
const BPF_FUNC_skb_set_tstamp = 192;

/** Whether the kernel tells departure times from times of arrival: Linux 5.18. */
export function hasTypedTimestamps(): boolean {
  return features.helper("sched_cls", BPF_FUNC_skb_set_tstamp);
}

/** Whether BPF programs can compare and swap 64 bits: Linux 5.12. */
export function hasAtomics(): boolean {
  return features.atomics();
}

/** The object, and the name of the variant of the program that this kernel can run. */
export function parseProgram(): { object: BpfObject; program: string } {
  const object = BpfObject.parse(Buffer.from(weirObjectBase64, "base64"));
  object.variable("typed_timestamps").set(hasTypedTimestamps() ? 1 : 0);
  return { object, program: hasAtomics() ? "weir_shape" : "weir_shape_locked" };
}

/** Loads the program as this kernel can run it; nothing is pinned. */
export function loadProgram(): { program: BpfProgram } & Disposable {
  const { object, program } = parseProgram();
  for (const map of object.maps) map.pinning = "none";
  const loaded = object.load({ programs: [program] });
  return { program: loaded.program(program), [Symbol.dispose]: () => loaded[Symbol.dispose]() };
}
