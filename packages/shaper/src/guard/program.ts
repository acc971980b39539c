import { existsSync } from "node:fs";
import { BpfObject, type BpfProgram, features } from "@weir/bpf-loader";
import { guardObjectBase64 } from "./guard-object.js";

/** bpf_probe_read_kernel, include/uapi/linux/bpf.h. */
const BPF_FUNC_probe_read_kernel = 113;

/** Whether the guard can see which namespace a packet's socket belongs to: a kernel with BTF of its own. */
export function seesSenders(): boolean {
  return existsSync("/sys/kernel/btf/vmlinux") && features.helper("sched_cls", BPF_FUNC_probe_read_kernel);
}

/** The object, and the name of the variant of the guard that this kernel can run. */
export function parseGuard(): { object: BpfObject; program: string } {
  const object = BpfObject.parse(Buffer.from(guardObjectBase64, "base64"));
  if (!seesSenders()) return { object, program: "weir_guard_addresses" };
  return { object, program: features.atomics() ? "weir_guard" : "weir_guard_locked" };
}

/** Loads the guard as this kernel can run it; nothing is pinned. */
export function loadGuard(): { program: BpfProgram } & Disposable {
  const { object, program } = parseGuard();
  for (const map of object.maps) map.pinning = "none";
  const loaded = object.load({ programs: [program] });
  return { program: loaded.program(program), [Symbol.dispose]: () => loaded[Symbol.dispose]() };
}
