import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { BpfCommand, type Fd, kernelVersion, NotSupportedError } from "@weir/syscall";
import { Btf } from "../btf/btf.js";
import { btfInfo, objectId } from "./attributes.js";
import { openBpf } from "./call.js";
import { objectInfo } from "./pin.js";

const FOLDER = "/sys/kernel/btf";

/** Kept as long as somebody uses it: it takes more memory than all else that a loader has. */
let vmlinux: WeakRef<Btf> | undefined;
const modules = new Map<string, WeakRef<Btf>>();

/** The type information of the running kernel and its modules. What was read is kept as long as somebody uses it. */
export const kernelBtf = {
  /**
   * The kernel's own: from /sys/kernel/btf/vmlinux, else from a kernel image in one of the places where
   * distributions put it, in libbpf's order (btf__load_vmlinux_btf).
   * @throws NotSupportedError for a kernel without BTF (it takes CONFIG_DEBUG_INFO_BTF)
   */
  vmlinux(): Btf {
    const known = vmlinux?.deref();
    if (known) return known;
    const btf = readVmlinux();
    vmlinux = new WeakRef(btf);
    return btf;
  },

  /**
   * A loaded module's, which continues the kernel's: its ids begin after those.
   * @throws NotSupportedError if no such module is loaded, or it has no BTF
   */
  module(name: string): Btf {
    if (name === "vmlinux") return kernelBtf.vmlinux();
    const base = kernelBtf.vmlinux();
    const known = modules.get(name)?.deref();
    if (known?.base === base) return known;
    const path = `${FOLDER}/${name}`;
    if (name.includes("/") || !existsSync(path)) {
      throw new NotSupportedError({
        feature: `BTF of a module "${name}"`,
        hint: `${path} appears when the module is loaded.`,
      });
    }
    const btf = Btf.parse(readWhole(path), { base });
    modules.set(name, new WeakRef(btf));
    return btf;
  },

  /** The names of the loaded modules that have BTF, sorted; none on a kernel without it. Linux 5.11. */
  modules(): string[] {
    if (!existsSync(FOLDER)) return [];
    return readdirSync(FOLDER)
      .filter((name) => name !== "vmlinux")
      .sort();
  },

  /**
   * BTF that somebody has loaded, or the kernel's own, by its id. Takes CAP_SYS_ADMIN.
   * @throws SystemError
   */
  byId(id: number): Btf {
    using fd = openBpf(BpfCommand.BTF_GET_FD_BY_ID, objectId.build({ id }), `BTF ${id}`, `open BTF ${id}`, [
      "CAP_SYS_ADMIN",
    ]);
    return readByFd(fd);
  },
};

/** Reads BTF back from the kernel by its id. Takes CAP_SYS_ADMIN. Throws SystemError. */
export function readKernelBtf(id: number): Btf {
  return kernelBtf.byId(id);
}

/** What the kernel says about BTF that it has: the name of the module, "vmlinux", or "" for a program's own. */
export function readBtfInfo(fd: Fd): { id: number; size: number; kernel: boolean; name: string } {
  const { id, btfSize, kernelBtf } = objectInfo(fd, btfInfo);
  return { id, size: btfSize, kernel: kernelBtf !== 0, name: kernelBtf !== 0 ? readName(fd) : "" };
}

// Asked for apart: before 5.11 the kernel had no BTF with a name, and refuses a struct with a place for one.
function readName(fd: Fd): string {
  const name = new Uint8Array(64);
  const { nameLen } = objectInfo(fd, btfInfo, btfInfo.build({ name, nameLen: name.length }));
  return new TextDecoder().decode(name.subarray(0, Math.min(nameLen, name.indexOf(0))));
}

function readByFd(fd: Fd): Btf {
  const { size, kernel, name } = readBtfInfo(fd);
  if (kernel && name === "vmlinux") return kernelBtf.vmlinux();
  const bytes = new Uint8Array(size);
  objectInfo(fd, btfInfo, btfInfo.build({ btf: bytes, btfSize: size }));
  return Btf.parse(bytes, { base: kernel ? kernelBtf.vmlinux() : undefined });
}

function readVmlinux(): Btf {
  const path = `${FOLDER}/vmlinux`;
  if (existsSync(path)) return Btf.parse(readWhole(path));
  const { release } = kernelVersion();
  const image = [
    `/boot/vmlinux-${release}`,
    `/lib/modules/${release}/vmlinux-${release}`,
    `/lib/modules/${release}/build/vmlinux`,
    `/usr/lib/modules/${release}/kernel/vmlinux`,
    `/usr/lib/debug/boot/vmlinux-${release}`,
    `/usr/lib/debug/boot/vmlinux-${release}.debug`,
    `/usr/lib/debug/lib/modules/${release}/vmlinux`,
  ].find((place) => existsSync(place));
  if (image !== undefined) return Btf.fromElf(readFileSync(image));
  throw new NotSupportedError({
    feature: `BTF of its own (${path})`,
    since: "5.4",
    hint: "The kernel must be built with CONFIG_DEBUG_INFO_BTF; or give the BTF of this very kernel from a file.",
  });
}

/** Reads a file of known size into memory that is not zeroed first. */
function readWhole(path: string): Uint8Array {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.allocUnsafeSlow(fstatSync(file).size);
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(file, bytes, at, bytes.length - at, null);
      if (count === 0) return bytes.subarray(0, at);
      at += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}
