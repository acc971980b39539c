/** Objects that nobody here wrote: each is loaded by libbpf and by this project, and the kernel is asked about both. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BpfObject, features, NotSupportedError, SystemError } from "@weir/bpf-loader";
import { ElfFile } from "@weir/elf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertRefused, compareWithLibbpf, loadHere } from "./compare.js";
import { type ObjectPackages, objectPackages, objectsOf } from "./packages.js";

const test = suite("objects of Debian's packages");
const fixtures = fileURLToPath(new URL("../../../packages/bpf-loader/fixtures", import.meta.url));
const kernelTypes = existsSync("/sys/kernel/btf/vmlinux")
  ? readFileSync("/sys/kernel/btf/vmlinux")
  : Buffer.of();

/** Objects, and whether this kernel has all that one of them wants. */
interface Expectation {
  readonly packages: ObjectPackages;
  readonly loadable: (title: string) => boolean;
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
];

for (const { packages, loadable } of expectations) {
  for (const { title, bytes } of await objectsOf(packages)) {
    const object = () => BpfObject.parse(bytes());
    test(`${title} is parsed`, () => assert.ok(object().programs.length > 0));
    if (!loadable(title)) {
      test(`${title}, which this kernel cannot run as it is, is refused`, () => assertRefused(object()));
      continue;
    }
    test(`${title} becomes what libbpf makes of it`, () => {
      compareWithLibbpf(bytes(), (complaints) => assert.unreachable(`libbpf cannot load it: ${complaints}`));
    });
  }
}

for (const { title, bytes } of (await objectsOf(objectPackages.xdp)).filter((each) =>
  wantsTarget(each.title),
)) {
  test(`${title} watches a program that it is given`, async () => {
    const pass = (await objectsOf(objectPackages.xdp)).find((each) => each.title.endsWith("/xdp_pass.o"))!;
    using watched = BpfObject.parse(pass.bytes()).load();
    const [target] = watched.programs;
    const object = BpfObject.parse(bytes());
    for (const program of object.programs) {
      program.attachProgram = target;
      program.attachTarget = target!.name;
    }
    if (features.misc("fentry")) {
      const { programs } = loadHere(object);
      assert.equal(programs.map(({ name }) => name).sort(), ["trace_on_entry", "trace_on_exit"]);
    } else {
      // A kernel may be built without trampolines: it then says EPERM.
      assert.throws(
        () => loadHere(object),
        (error: unknown) => error instanceof NotSupportedError || error instanceof SystemError,
      );
    }
  });
}

// libbpf has not known this kind of map since 1.0: what the file itself says is compared.
for (const { title, bytes } of await objectsOf(objectPackages.opensnitch)) {
  test(`${title} gives the programs and maps that it describes`, () => {
    const object = BpfObject.parse(bytes());
    const { programs, maps } = loadHere(object);
    assert.equal(
      maps.map(({ name, facts: { keySize, valueSize, flags } }) => ({ name, keySize, valueSize, flags })),
      definitions(bytes()).map(({ name, keySize, valueSize, flags }) => ({
        name,
        keySize,
        valueSize,
        flags,
      })),
    );
    for (const { name, maxEntries } of definitions(bytes())) {
      const map = maps.find((each) => each.name === name)!;
      // A perf event array without a size gets one for each CPU.
      if (maxEntries > 0) assert.is(map.facts.maxEntries, maxEntries);
    }
    assert.is(programs.length, object.programs.length);
    for (const { instructions } of programs) assert.ok(instructions.length > 0);
  });
}

// What libbpf cannot load, the loader's own tests are about.
for (const name of readdirSync(fixtures).filter((file) => file.endsWith(".o"))) {
  test(`the fixture ${name} becomes what libbpf makes of it, if it can load it`, () => {
    compareWithLibbpf(readFileSync(join(fixtures, name)), () => {});
  });
}

/** `struct bpf_map_def` of each section below "maps/", with the name of its symbol, as the kernel cuts it. */
function definitions(bytes: Uint8Array) {
  const elf = ElfFile.parse(bytes);
  return elf.symbols
    .filter(({ section }) => section?.name.startsWith("maps/"))
    .map(({ name, section }) => {
      const data = section!.data;
      const view = new DataView(data.buffer, data.byteOffset, data.length);
      const [keySize, valueSize, maxEntries, flags] = [4, 8, 12, 16].map((at) => view.getUint32(at, true));
      return {
        ...{ name: name.slice(0, 15), keySize: keySize!, valueSize: valueSize! },
        ...{ maxEntries: maxEntries!, flags: flags! },
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

test.run();
