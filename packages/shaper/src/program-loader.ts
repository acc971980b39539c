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

/**
 * Loads the variant of the program that this kernel can run.
 * @param pinPath where its maps are looked for and pinned; absent, nothing is pinned
 */
export function loadProgram(pinPath?: string): { program: BpfProgram } & Disposable {
  const object = BpfObject.parse(Buffer.from(weirObjectBase64, "base64"));
  if (pinPath === undefined) for (const map of object.maps) map.pinning = "none";
  object.variable("typed_timestamps").set(hasTypedTimestamps() ? 1 : 0);
  const name = hasAtomics() ? "weir_shape" : "weir_shape_locked";
  const loaded = object.load({ programs: [name], ...(pinPath === undefined ? {} : { pinPath }) });
  return { program: loaded.program(name), [Symbol.dispose]: () => loaded[Symbol.dispose]() };
}
