/** Objects that nobody here wrote: each is loaded by libbpf and by this project, and the kernel is asked about both. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BpfObject, BpfObjectError, NotSupportedError, SystemError, VerifierError } from "@weir/bpf-loader";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Instruction } from "./kernel-view.js";
import { type Loaded, loadWithLibbpf, temporaryBpffs, viewAll } from "./libbpf.js";
import { bpftool, type ObjectPackages, objectPackages, objectsOf } from "./packages.js";

const test = suite("objects of Debian's packages");
const command = await bpftool();
const fixtures = fileURLToPath(new URL("../../../packages/bpf-loader/fixtures", import.meta.url));
const kernelTypes = existsSync("/sys/kernel/btf/vmlinux")
  ? readFileSync("/sys/kernel/btf/vmlinux")
  : Buffer.of();

/** Objects, and whether this kernel has all that one of them wants; undefined leaves it to libbpf to find out. */
interface Expectation {
  readonly packages: ObjectPackages;
  readonly loadable: (title: string) => boolean | undefined;
}

/** These watch another program, and say "func" where the loader is to put that one's function. */
const wantsTarget = (title: string) => title.endsWith("/xdpdump_bpf.o");
/** Numbers ending in 9 are for the kernels of Linux 6.3 to 6.10, which Debian never released with what they want. */
const wantsFmodRet = (title: string) => /\/00\d9-[^/]*$/.test(title);

const expectations: readonly Expectation[] = [
  { packages: objectPackages.xdp, loadable: (title) => !wantsTarget(title) },
  { packages: objectPackages.newerXdp, loadable: (title) => !wantsTarget(title) },
  {
    packages: objectPackages.hid,
    loadable: (title) => !wantsFmodRet(title) && kernelTypes.includes("bpf_struct_ops_hid_bpf_ops"),
  },
  { packages: objectPackages.tools, loadable: () => undefined },
];

for (const { packages, loadable } of expectations) {
  for (const { title, bytes } of await objectsOf(packages)) {
    const object = () => BpfObject.parse(bytes());
    test(`${title} is parsed`, () => assert.ok(object().programs.length > 0));
    const expected = loadable(title);
    if (expected === false)
      test(`${title}, which this kernel cannot run, is refused`, () => assertRefused(object()));
    else test(`${title} becomes what libbpf makes of it`, () => compare(bytes(), expected));
  }
}

// What libbpf cannot load, the loader's own tests are about.
for (const name of readdirSync(fixtures).filter((file) => file.endsWith(".o"))) {
  test(`the fixture ${name} becomes what libbpf makes of it, if it can load it`, () => {
    const bytes = readFileSync(join(fixtures, name));
    const theirs = loadWithLibbpf(command, bytes);
    if (typeof theirs !== "string") assertEqual(loadHere(BpfObject.parse(bytes)), theirs);
  });
}

let loaded = 0;
test("objects that another loader can load were among them", () => assert.ok(loaded > 30));

function compare(bytes: Uint8Array, expected: true | undefined): void {
  const object = BpfObject.parse(bytes);
  const theirs = loadWithLibbpf(command, bytes);
  if (typeof theirs !== "string") {
    assertEqual(loadHere(object), theirs);
    loaded++;
    return;
  }
  if (expected) throw new Error(`libbpf cannot load it: ${theirs}`);
  assertRefused(object);
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
