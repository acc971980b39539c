import { BpfCommand, errno, Fd, tryBpf } from "@weir/syscall";
import type { Btf } from "../btf/btf.js";
import type { BtfTypeOf } from "../btf/types.js";
import { objectId } from "./attributes.js";
import { bpfError } from "./call.js";
import { kernelBtf, readBtfInfo } from "./kernel-btf.js";

type Kind = "func" | "var" | "struct" | "typedef";

/** A type of the kernel, or of a module. */
export interface KernelType<K extends Kind> {
  readonly type: BtfTypeOf<K>;
  readonly btf: Btf;
  /** The BTF of the module that it belongs to; undefined for the kernel itself. Closed with the {@link KernelTypes}. */
  readonly module: Fd | undefined;
}

/** The types of the running kernel and of its modules by name, read when they are first asked for. */
export class KernelTypes implements Disposable {
  readonly #given: Btf | undefined;
  #vmlinux: Btf | undefined;
  /** Held, so that none is read twice. */
  readonly #moduleTypes = new Map<string, Btf>();
  #modules: Map<string, Fd> | undefined;

  /** @param vmlinux the kernel's types, if they are not to be read from the running kernel */
  constructor(vmlinux?: Btf) {
    this.#given = vmlinux;
  }

  /** The kernel's own types. Throws NotSupportedError for a kernel without them. */
  get vmlinux(): Btf {
    this.#vmlinux ??= this.#given ?? kernelBtf.vmlinux();
    return this.#vmlinux;
  }

  /** A type of the kernel, or else of a module; only of `module` if one is named ("vmlinux" for the kernel itself). */
  find<K extends Kind>(name: string, kind: K, module?: string): KernelType<K> | undefined {
    if (module === undefined || module === "vmlinux") {
      const type = this.vmlinux.find(name, kind);
      if (type) return { type, btf: this.vmlinux, module: undefined };
    }
    if (module === "vmlinux") return undefined;
    for (const one of module === undefined ? kernelBtf.modules() : [module]) {
      if (module !== undefined && !kernelBtf.modules().includes(one)) return undefined;
      const btf = this.#moduleTypes.get(one) ?? kernelBtf.module(one);
      this.#moduleTypes.set(one, btf);
      // Of the module alone: what the kernel has was looked at before, or is not wanted.
      const id = btf.ownFlavours(name, [kind]).find((own) => btf.name(own) === name);
      const type = id === undefined ? undefined : (btf.type(id) as BtfTypeOf<K>);
      const fd = type && this.#moduleFd(one);
      if (fd) return { type, btf, module: fd };
    }
    return undefined;
  }

  /** Lets go of the modules' BTF; the kernel keeps what programs use. */
  close(): void {
    for (const fd of this.#modules?.values() ?? []) fd.close();
    this.#modules = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // The kernel gives no descriptor by a module's name: all BTF that it has is looked at, once.
  #moduleFd(name: string): Fd | undefined {
    this.#modules ??= openModules();
    return this.#modules.get(name);
  }
}

function openModules(): Map<string, Fd> {
  const modules = new Map<string, Fd>();
  const attr = objectId.build({});
  try {
    while (true) {
      const result = tryBpf(BpfCommand.BTF_GET_NEXT_ID, attr);
      if (result === -errno.ENOENT!) return modules;
      if (result < 0)
        throw bpfError(BpfCommand.BTF_GET_NEXT_ID, -result, "list the kernel's BTF", ["CAP_SYS_ADMIN"]);
      const id = attr.getU32(objectId.offset.nextId);
      attr.u32(objectId.offset.id, id);
      const fd = openById(id);
      const info = fd && readBtfInfo(fd);
      if (fd && info?.kernel && info.name !== "vmlinux") modules.set(info.name, fd);
      else fd?.close();
    }
  } catch (error) {
    for (const fd of modules.values()) fd.close();
    throw error;
  }
}

/** Undefined for BTF that has gone meanwhile. */
function openById(id: number): Fd | undefined {
  const result = tryBpf(BpfCommand.BTF_GET_FD_BY_ID, objectId.build({ id }));
  if (result >= 0) return Fd.adopt(result, `BTF ${id}`);
  if (result === -errno.ENOENT!) return undefined;
  throw bpfError(BpfCommand.BTF_GET_FD_BY_ID, -result, `open BTF ${id}`, ["CAP_SYS_ADMIN"]);
}
