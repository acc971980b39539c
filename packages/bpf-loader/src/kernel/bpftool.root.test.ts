import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfMap, BpfProgram, type Btf, formatDeclaration, formatType, kernelBtf } from "../index.js";
import { type FixtureName, fixturePath, parseFixture } from "../testing/fixtures.js";
import { needs, temporaryBpffs, testWith } from "../testing/kernel.js";

const test = suite("what libbpf makes of the same object");

/** Programs and maps as `bpftool prog loadall` (libbpf) pins them, next to ours. */
function compare(name: FixtureName): void {
  using bpffs = temporaryBpffs();
  const [programs, maps] = [join(bpffs.path, "programs"), join(bpffs.path, "maps")];
  execFileSync("bpftool", ["prog", "loadall", fileURLToPath(fixturePath(name)), programs, "pinmaps", maps]);
  using loaded = parseFixture(name).load();
  for (const program of loaded.programs) {
    using theirs = BpfProgram.open(join(programs, program.name));
    const [ours, libbpf] = [program.info, theirs.info];
    // The tag is a hash over all instructions but the descriptors of maps.
    assert.equal(
      [ours.tag, ours.type, ours.jitedSize],
      [libbpf.tag, libbpf.type, libbpf.jitedSize],
      program.name,
    );
    // libbpf ties .rodata also to programs that do not use it, for tools that read metadata from it.
    assert.ok(ours.mapIds.length <= libbpf.mapIds.length);
    assert.is(ours.btfId > 0, libbpf.btfId > 0);
    // All that differs after translation is the addresses of maps and of their values.
    assert.equal(
      withoutAddresses(program.translatedInstructions()),
      withoutAddresses(theirs.translatedInstructions()),
    );
  }
  for (const map of loaded.maps.filter((candidate) => !candidate.name.startsWith("."))) {
    using theirs = BpfMap.open(join(maps, map.name));
    // The ids of types differ: libbpf loads all of the object's BTF, and we what is needed.
    const shape = ({
      type,
      keySize,
      valueSize,
      maxEntries,
      flags,
      mapExtra,
      btfId,
      btfKeyTypeId,
      btfValueTypeId,
    }: BpfMap["info"]) => [
      type,
      keySize,
      valueSize,
      maxEntries,
      flags,
      mapExtra,
      btfId > 0 && [btfKeyTypeId, btfValueTypeId].map((id) => inC(kernelBtf.byId(btfId), id)),
    ];
    assert.equal(shape(map.info), shape(theirs.info), map.name);
  }
}

function inC(btf: Btf, id: number): string {
  return `${formatDeclaration(btf, id)} ${formatType(btf, btf.resolve(id).id)}`;
}

/** Instructions with the immediates of 64-bit loads, which are addresses and ids, set to zero. */
function withoutAddresses(code: Uint8Array): Uint8Array {
  const copy = code.slice();
  for (let at = 0; at + 16 <= copy.length; at += 8) {
    if (copy[at] !== 0x18) continue;
    copy.fill(0, at + 4, at + 8);
    copy.fill(0, at + 12, at + 16);
    at += 8;
  }
  return copy;
}

testWith(test, needs.atomics, "shape: the same maps and instructions", () => compare("shape"));
testWith(test, needs.forEach, "calls: the same maps and instructions", () => compare("calls"));
testWith(test, needs.bloomFilter, "contents: the same maps and instructions", () => compare("contents"));
test("globals: the same maps and instructions", () => compare("globals"));
test("core: the same maps and instructions", () => compare("core"));
test("newer: the same maps and instructions", () => compare("newer"));

test.run();
