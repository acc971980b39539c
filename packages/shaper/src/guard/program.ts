import { existsSync } from "node:fs";
import { BpfObject, type BpfProgram, features } from "@weir/bpf-loader";
import { guardObjectBase64 } from "./guard-object.js";

/** bpf_probe_read_kernel, include/uapi/linux/bpf.h. */
const BPF_FUNC_probe_read_kernel = 113;

/** Whether the guard can see which namespace a packet's socket belongs to: a kernel with BTF of its own. */
export function seesSenders(): boolean {
  return existsSync("/sys/kernel/btf/vmlinux") && features.helper("sched_cls", BPF_FUNC_probe_read_kernel);
}

/**
 * Loads the variant of the guard that this kernel can run.
 * @param pinPath where its maps are looked for and pinned; absent, nothing is pinned
 */
export function loadGuardProgram(pinPath?: string): { program: BpfProgram } & Disposable {
  const object = BpfObject.parse(Buffer.from(guardObjectBase64, "base64"));
  if (pinPath === undefined) for (const map of object.maps) map.pinning = "none";
  const name = !seesSenders()
    ? "weir_guard_addresses"
    : features.atomics()
      ? "weir_guard"
      : "weir_guard_locked";
  const loaded = object.load({ programs: [name], ...(pinPath === undefined ? {} : { pinPath }) });
  return { program: loaded.program(name), [Symbol.dispose]: () => loaded[Symbol.dispose]() };
}
