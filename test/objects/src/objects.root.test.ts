/** Objects that nobody here wrote: each is loaded by libbpf and by this project, and the kernel is asked about both. */
import { existsSync, readFileSync } from "node:fs";
import { BpfObject, BpfObjectError, NotSupportedError, SystemError, VerifierError } from "@weir/bpf-loader";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Instruction } from "./kernel-view.js";
import { type Loaded, loadWithLibbpf, temporaryBpffs, viewAll } from "./libbpf.js";
import { bpftool, type ObjectPackages, objectPackages, objectsOf } from "./packages.js";

const test = suite("objects of Debian's packages");
const command = await bpftool();
const kernelTypes = existsSync("/sys/kernel/btf/vmlinux")
  ? readFileSync("/sys/kernel/btf/vmlinux")
  : Buffer.of();

/** Objects, and whether this kernel has all that one of them wants. */
interface Expectation {
  readonly packages: ObjectPackages;
  readonly loadable: (path: string) => boolean;
}

/** These watch another program, and say "func" where the loader is to put that one's function. */
const wantsTarget = (path: string) => path.endsWith("/xdpdump_bpf.o");
/** Numbers ending in 9 are for the kernels of Linux 6.3 to 6.10, which Debian never released with what they want. */
const wantsFmodRet = (path: string) => /\/00\d9-[^/]*$/.test(path);

const expectations: readonly Expectation[] = [
  { packages: objectPackages.xdp, loadable: (path) => !wantsTarget(path) },
  { packages: objectPackages.newerXdp, loadable: (path) => !wantsTarget(path) },
  {
    packages: objectPackages.hid,
    loadable: (path) => !wantsFmodRet(path) && kernelTypes.includes("bpf_struct_ops_hid_bpf_ops"),
  },
];

for (const { packages, loadable } of expectations) {
  for (const { title, path } of await objectsOf(packages)) {
    const object = () => BpfObject.parse(readFileSync(path));
    test(`${title} is parsed`, () => assert.ok(object().programs.length > 0));
    if (loadable(path)) test(`${title} becomes what libbpf makes of it`, () => compare(object(), path));
    else test(`${title}, which this kernel cannot run, is refused`, () => assertRefused(object()));
  }
}

function compare(object: BpfObject, path: string): void {
  const theirs = loadWithLibbpf(command, path);
  if (typeof theirs === "string") throw new Error(`libbpf cannot load it: ${theirs}`);
  assertEqual(loadHere(object), theirs);
}

function loadHere(object: BpfObject): Loaded {
  using bpffs = temporaryBpffs();
  using loaded = object.load({ pinPath: bpffs.path });
  return viewAll(
    loaded.programs.map(({ fd }) => fd),
    loaded.maps.map(({ fd }) => fd),
  );
}

/** What cannot be loaded ends in an error that says why. */
function assertRefused(object: BpfObject): void {
  using bpffs = temporaryBpffs();
  try {
    object.load({ pinPath: bpffs.path }).close();
  } catch (error) {
    const known = [BpfObjectError, NotSupportedError, SystemError, VerifierError];
    if (known.some((type) => error instanceof type)) return;
    throw error;
  }
  throw new Error("it was loaded");
}

function assertEqual(ours: Loaded, theirs: Loaded): void {
  assert.equal(ours.maps, theirs.maps);
  assert.equal(
    ours.programs.map(({ name, facts }) => ({ name, facts })),
    theirs.programs.map(({ name, facts }) => ({ name, facts })),
  );
  ours.programs.forEach((program, i) => {
    const theirProgram = theirs.programs[i]!;
    // libbpf ties read-only data also to programs that do not use it, for tools that look for metadata there.
    const uses = (name: string) => !name.startsWith(".rodata") || program.maps.includes(name);
    assert.equal(program.maps, theirProgram.maps.filter(uses), program.name);
    assert.equal(
      program.instructions.map(withoutAddress),
      theirProgram.instructions.map(withoutAddress),
      program.name,
    );
  });
}

/** Addresses in the kernel differ where they are of what was just loaded. */
function withoutAddress({ text, address }: Instruction): string {
  if (address === undefined) return text;
  return address >= 0xffff_0000_0000_0000n ? `${text} kernel address` : `${text} ${address}`;
}

test.run();
