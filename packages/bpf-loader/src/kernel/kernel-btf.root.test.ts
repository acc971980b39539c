import { execFileSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatType } from "../btf/format.js";
import { needs, testWith } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";
import { kernelBtf } from "./kernel-btf.js";

const test = suite("the kernel's BTF");

test("it is what bpftool reads", () => {
  const btf = kernelBtf.vmlinux();
  const dump = JSON.parse(
    execFileSync("bpftool", ["-j", "btf", "dump", "file", "/sys/kernel/btf/vmlinux"], {
      maxBuffer: 1 << 28,
      encoding: "utf8",
    }),
  ) as { types: { id: number; kind: string; name: string; vlen?: number; size?: number }[] };
  assert.is(btf.typeCount, dump.types.length);
  const names = (name: string) => (name === "(anon)" ? "" : name);
  for (const type of dump.types) {
    const own = btf.kind(type.id).toUpperCase();
    if (own !== type.kind || btf.name(type.id) !== names(type.name)) {
      assert.equal([type.id, own, btf.name(type.id)], [type.id, type.kind, names(type.name)]);
    }
  }
  for (const type of dump.types.filter((type) => type.kind === "STRUCT").slice(0, 500)) {
    const own = btf.type(type.id);
    assert.equal(own.kind === "struct" && [own.size, own.members.length], [type.size, type.vlen]);
  }
});

test("its types in C are what bpftool writes", () => {
  const btf = kernelBtf.vmlinux();
  const text = execFileSync("bpftool", ["btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"], {
    maxBuffer: 1 << 28,
    encoding: "utf8",
  });
  // bpftool numbers types of one name, spells out padding, attributes and suffixes, and sets functions off.
  const plain = (declaration: string) =>
    declaration
      .split("\n")
      .filter((line) => !/^\t+[a-z ]+: \d+;$/.test(line))
      .join("\n")
      .replace(/\{\n\t*\}/g, "{}")
      .replace(/___\d+\b/g, "")
      .replace(/ __attribute__\(\([^)]*\)\)+/g, "")
      .replace(/(\d)U?LL\b/g, "$1")
      .replace(/\* \(/g, "*(");
  const theirs = new Map<string, Set<string>>();
  for (const [declaration, kind, name] of text.matchAll(
    /^(struct|union|enum) (\w+) \{\n(?:[^}].*\n)*?\}[^\n]*;/gm,
  )) {
    const key = plain(`${kind} ${name}`);
    theirs.set(key, (theirs.get(key) ?? new Set()).add(plain(declaration)));
  }
  let compared = 0;
  for (const kind of ["struct", "union", "enum"] as const) {
    for (const type of btf.typesOf(kind)) {
      const known = theirs.get(`${kind} ${type.name}`);
      const ours = plain(formatType(btf, type.id));
      if (!known || known.has(ours)) compared += Number(known !== undefined);
      else assert.is(ours, [...known][0]);
    }
  }
  assert.ok(compared > 5000);
});

test("it is kept while it is in use", () => {
  assert.is(kernelBtf.vmlinux(), kernelBtf.vmlinux());
});

test("a module's BTF continues the kernel's", () => {
  const vmlinux = kernelBtf.vmlinux();
  for (const name of kernelBtf.modules()) {
    const btf = kernelBtf.module(name);
    assert.is(btf.base, vmlinux);
    assert.is(btf.firstId, vmlinux.typeCount + 1);
    for (let id = btf.firstId; id <= btf.typeCount; id++) btf.type(id);
  }
  assert.match(
    thrown(() => kernelBtf.module("no_such_module")).message,
    /no BTF of a module "no_such_module"/,
  );
  assert.match(thrown(() => kernelBtf.module("../vmlinux")).message, /no BTF of a module/);
});

testWith(test, needs.kernelBtfId, "the kernel's BTF by its id is the same", () => {
  assert.is(kernelBtf.byId(1), kernelBtf.vmlinux());
});

test.run();
