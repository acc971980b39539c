import { ElfFile, type ElfSection } from "@weir/elf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfObject, BpfObjectError, type BpfObjectErrorCode, type MapSpec } from "../index.js";
import { type FixtureName, fixture, parseFixture } from "../testing/fixtures.js";
import { thrown } from "../testing/thrown.js";

const test = suite("what objects define");

/** What a map is filled with, by name. */
function contents(map: MapSpec): [number, string][] {
  return map.contents.map((slot) => [slot.key, "map" in slot ? slot.map.name : slot.program.name]);
}

function refused(code: BpfObjectErrorCode, bytes: Uint8Array): string {
  const error = thrown(() => BpfObject.parse(bytes));
  assert.instance(error, BpfObjectError);
  assert.is((error as BpfObjectError).code, code, error.message);
  return error.message;
}

/** A fixture with changed bytes in one of its sections. */
function changed(
  name: FixtureName,
  section: string,
  change: (bytes: Uint8Array, elf: ElfFile) => void,
): Uint8Array {
  const bytes = fixture(name);
  const elf = ElfFile.parse(bytes);
  const { offset, size } = elf.section(section) as ElfSection;
  change(bytes.subarray(offset, offset + size), elf);
  return bytes;
}

for (const order of ["", "-big-endian"] as const) {
  const parse = (name: "contents" | "externs" | "struct-ops" | "iproute2") => parseFixture(`${name}${order}`);

  test(`maps know what they are filled with${order}`, () => {
    const object = parse("contents");
    assert.equal(contents(object.map("by_index")), [
      [1, "first"],
      [3, "second"],
    ]);
    assert.equal(contents(object.map("by_key")), [[0, "second"]]);
    assert.equal(contents(object.map("steps")), [
      [0, "step_one"],
      [2, "step_two"],
    ]);
    assert.equal(contents(object.map("template")), []);
    const { innerMap } = object.map("template");
    assert.equal([innerMap?.type, innerMap?.maxEntries, innerMap?.flags], ["hash", 7, 1]);
    const { mapExtra, keySize } = object.map("bloom");
    assert.equal([mapExtra, keySize, object.map("on_node").numaNode], [3n, 0, 0]);
  });

  test(`externs are known by kind, strength and type${order}`, () => {
    const { externs } = parse("externs");
    const byName = new Map(externs.map((extern) => [extern.name, extern]));
    const summary = (name: string) => {
      const { kind, weak, type } = byName.get(name)!;
      return [kind, weak, type === 0];
    };
    assert.equal(summary("bpf_map_put"), ["ksym", false, true]);
    assert.equal(summary("weir_no_symbol"), ["ksym", true, true]);
    assert.equal(summary("bpf_prog_active"), ["ksym", false, false]);
    assert.equal(summary("bpf_rcu_read_lock"), ["kfunc", false, false]);
    assert.equal(summary("weir_no_function"), ["kfunc", true, false]);
    assert.equal(summary("defined_elsewhere"), ["undeclared", true, true]);
    const places = externs.flatMap(({ name, kconfig }) =>
      kconfig ? [[name, kconfig.type, kconfig.offset, kconfig.size, kconfig.signed]] : [],
    );
    // libbpf's order: by alignment downwards, by size, by name.
    assert.equal(places, [
      ["CONFIG_HZ", "int", 0, 8, false],
      ["CONFIG_WEIR_MODULE", "tristate", 8, 4, false],
      ["CONFIG_WEIR_NOWHERE", "int", 12, 4, true],
      ["LINUX_FUTURE", "int", 16, 4, false],
      ["LINUX_KERNEL_VERSION", "int", 20, 4, true],
      ["CONFIG_WEIR_SHORT", "int", 24, 2, true],
      ["CONFIG_BPF_SYSCALL", "bool", 26, 1, false],
      ["CONFIG_WEIR_CHARACTER", "char", 27, 1, true],
      ["LINUX_HAS_BPF_COOKIE", "bool", 28, 1, false],
      ["LINUX_HAS_SYSCALL_WRAPPER", "char", 29, 1, false],
      ["CONFIG_DEFAULT_HOSTNAME", "string", 30, 16, false],
    ]);
    assert.is(parse("externs").map(".kconfig").valueSize, 46);
  });

  test(`struct_ops variables know their programs and values${order}`, () => {
    const object = parse("struct-ops");
    assert.equal(
      object.structOps.map(({ name, structName, linked, autoload }) => [name, structName, linked, autoload]),
      [
        ["registered", "tcp_congestion_ops", false, true],
        ["linked", "tcp_congestion_ops", true, false],
      ],
    );
    const table = object.structOp("registered");
    assert.equal(
      [...table.programs].map(([member, program]) => [member, program.name]),
      [
        ["ssthresh", "threshold"],
        ["undo_cwnd", "undo"],
        ["cong_avoid", "avoid"],
      ],
    );
    const value = table.get() as { name: Uint8Array; ssthresh: bigint };
    assert.is(Buffer.from(value.name).toString().replaceAll("\0", ""), "weir_plain");
    assert.is(value.ssthresh, 0n);
  });

  test(`iproute2's maps are connected by their ids${order}`, () => {
    const object = parse("iproute2");
    assert.equal(contents(object.map("jumps")), [[1, "jumped"]]);
    assert.equal(contents(object.map("outside")), [[1, "inside"]]);
    assert.is(object.map("outside").innerMap?.name, "inside");
    assert.equal(
      object.maps.map((map) => map.pinning),
      ["none", "by_name", "none", "none"],
    );
  });
}

test("a definition from before BTF keeps what this loader does not know", () => {
  const { extra } = parseFixture("legacy").map("counts");
  assert.equal(extra, Uint8Array.of(7, 0, 0, 0, 9, 0, 0, 0));
});

test("BTF for the kernel has neither externs nor functions in sections", () => {
  const btf = parseFixture("externs").btf!;
  const kinds = [...btf.types()].filter((type) => "linkage" in type && type.linkage === "extern");
  assert.equal(kinds, []);
  assert.is(btf.find(".ksyms", "datasec"), undefined);
  const options = btf.find(".kconfig", "datasec")!;
  assert.equal(
    options.entries.map((entry) => entry.offset),
    [0, 8, 12, 16, 20, 24, 26, 27, 28, 29, 30],
  );
});

test("an address where no element of a map is, or of what is no map, is refused", () => {
  const move = (offset: number) =>
    changed("contents", ".rel.maps", (bytes) =>
      new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, BigInt(offset), true),
    );
  // by_index begins behind first and second, of 32 bytes each, and its values 32 bytes further on.
  assert.match(refused("BPF_MAP", move(4)), "has an address at byte 4");
  assert.match(refused("BPF_MAP", move(2 ** 40)), "which is in no map");
  const toCode = changed("contents", ".rel.maps", (bytes, elf) => {
    const step = elf.symbols.find((symbol) => symbol.name === "step_one")!;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(12, step.index, true);
  });
  assert.match(refused("BPF_MAP", toCode), 'is to hold "step_one" at 1, which is no map');
});

test("a definition in a maps section that is cut short, or of no known type, is refused", () => {
  const type = changed("legacy", "maps", (bytes) => bytes.fill(0xff, 0, 4));
  assert.match(refused("BPF_MAP", type), 'map "counts" has the unknown type 4294967295');
  const symbol = changed("legacy", ".symtab", (bytes, elf) => {
    const { index } = elf.symbols.find((one) => one.name === "seen")!;
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(index * 24 + 8, 8n, true);
  });
  assert.match(refused("BPF_MAP", symbol), 'map "counts" of section maps has 8 bytes');
});

test("an address in struct_ops where no member is, or of no program, is refused", () => {
  const move = changed("struct-ops", ".rel.struct_ops", (bytes) =>
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, 17n, true),
  );
  assert.match(refused("BPF_RELOCATION", move), "address at byte 17, where no member is");
  const other = changed("struct-ops", ".rel.struct_ops", (bytes, elf) => {
    const license = elf.symbols.find((symbol) => symbol.name === "_license")!;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(12, license.index, true);
  });
  assert.match(refused("BPF_RELOCATION", other), 'points to "_license", which is no program');
});

test.run();
