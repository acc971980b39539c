import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fetchPackages, type Progress } from "@weir/test-vm";

/** Packages of one Debian release whose BPF objects are loaded. */
export interface ObjectPackages {
  readonly suite: string;
  readonly names: readonly string[];
  /** How many objects the packages hold: a folder that another release has moved must not pass for one without. */
  readonly atLeast: number;
}

/** Where the objects come from that nobody here wrote. */
export const objectPackages = {
  /** XDP programs of libxdp and its tools, compiled for BTF without CO-RE. */
  xdp: { suite: "bookworm", names: ["xdp-tools", "libxdp1", "xdp-tests"], atLeast: 18 },
  /** The same three years later. */
  newerXdp: { suite: "forky", names: ["xdp-tools", "libxdp1", "xdp-tests"], atLeast: 21 },
  /** Kprobes, kretprobes, uretprobes and tracepoints, with maps of the kind from before BTF. */
  opensnitch: { suite: "forky", names: ["opensnitch-ebpf-modules"], atLeast: 3 },
  /** Fixes of input devices: struct_ops (Linux 6.11) and, of the same source, fmod_ret (Linux 6.3 to 6.10). */
  hid: { suite: "forky", names: ["udev-hid-bpf"], atLeast: 50 },
} satisfies Record<string, ObjectPackages>;

/** bpftool with the newest libbpf, and the libraries that it wants: those of this machine may be too old. */
const BPFTOOL: Pick<ObjectPackages, "suite" | "names"> = {
  suite: "forky",
  names: ["bpftool", "libc6", "libelf1t64", "libssl3t64", "zlib1g", "libcap2", "libzstd1"],
};

/** A BPF object of a package. */
export interface PackagedObject {
  /** Package and file: "xdp-tools: xdp_drop.o". */
  readonly title: string;
  readonly path: string;
}

/** The objects of packages, fetched the first time that they are asked for. */
export async function objectsOf(packages: ObjectPackages): Promise<PackagedObject[]> {
  const root = await fetchPackages(packages.suite, packages.names, { progress });
  const objects = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".o"))
    .sort()
    .map((file) => ({
      title: `${packages.suite}: ${file.replace(/^usr\/lib(exec)?\//, "")}`,
      path: join(root, file),
    }));
  if (objects.length < packages.atLeast) {
    throw new Error(`${packages.names.join(", ")} of ${packages.suite} hold ${objects.length} BPF objects`);
  }
  return objects;
}

/** The command line that starts bpftool. */
export async function bpftool(): Promise<string[]> {
  const root = await fetchPackages(BPFTOOL.suite, BPFTOOL.names, { progress });
  const loader = join(root, "usr/lib64/ld-linux-x86-64.so.2");
  return [loader, "--library-path", join(root, "usr/lib/x86_64-linux-gnu"), join(root, "usr/sbin/bpftool")];
}

/** Fetches everything, for machines without a network that see this one's files. */
export async function fetchAll(): Promise<void> {
  await bpftool();
  for (const packages of Object.values(objectPackages)) await objectsOf(packages);
}

const progress: Progress = (message) => process.stderr.write(`objects: ${message}\n`);
