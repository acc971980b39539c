import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fetchPackages, type Progress } from "@weir/test-vm";

/** Packages of one Debian release whose BPF objects are loaded. */
export interface ObjectPackages {
  readonly suite: string;
  readonly names: readonly string[];
  /** Whether to look into executables as well. */
  readonly executables?: boolean;
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
  /** Tools that trace the kernel with CO-RE, kconfig and maps of all kinds; their objects lie within executables. */
  tools: { suite: "forky", names: ["libbpf-tools"], executables: true, atLeast: 50 },
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
  /** Release and file: "bookworm: xdp-tools/xdp_drop.o". */
  readonly title: string;
  /** Reads it. */
  readonly bytes: () => Buffer;
}

/** The objects of packages, fetched the first time that they are asked for. */
export async function objectsOf(packages: ObjectPackages): Promise<PackagedObject[]> {
  const root = await fetchPackages(packages.suite, packages.names, { progress });
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const title = (file: string) =>
    `${packages.suite}: ${relative(root, file).replace(/^usr\/(lib|libexec)\//, "")}`;
  const objects = files.flatMap((file): PackagedObject[] => {
    if (file.endsWith(".o")) return [{ title: title(file), bytes: () => readFileSync(file) }];
    if (!packages.executables) return [];
    return embeddedObjects(readFileSync(file)).map((bytes) => ({ title: title(file), bytes: () => bytes }));
  });
  if (objects.length < packages.atLeast) {
    throw new Error(`${packages.names.join(", ")} of ${packages.suite} hold ${objects.length} BPF objects`);
  }
  return objects;
}

/** The BPF objects among an executable's constants, where a skeleton of libbpf keeps them. */
function embeddedObjects(bytes: Buffer): Buffer[] {
  const objects: Buffer[] = [];
  // 64 bit, little-endian; 247 is EM_BPF.
  const magic = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  if (!bytes.subarray(0, 6).equals(magic)) return objects;
  for (let at = bytes.indexOf(magic, 1); at !== -1; at = bytes.indexOf(magic, at + 1)) {
    const header = bytes.subarray(at, at + 64);
    if (header.length < 64 || header.readUInt16LE(18) !== 247) continue;
    const sections = header.readUInt16LE(58) * header.readUInt16LE(60);
    objects.push(bytes.subarray(at, at + Number(header.readBigUInt64LE(40)) + sections));
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
