import { readFileSync } from "node:fs";
import { NotSupportedError } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openDescriptors } from "../testing/descriptors.js";
import { parseFixture } from "../testing/fixtures.js";
import { needs, testWith } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("struct_ops");
const available = () =>
  readFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control", "latin1").trim().split(" ");

test("a table of functions is matched with the kernel's by the names of its members", () => {
  using loaded = parseFixture("struct-ops").load();
  assert.equal(loaded.programs.map((program) => program.name).sort(), ["avoid", "threshold", "undo"]);
  const table = loaded.structOp("registered");
  assert.equal([table.structName, table.linked, table.map.type], ["tcp_congestion_ops", false, "struct_ops"]);
  assert.is(table.map.valueSize, table.value.length);
  assert.ok(Buffer.from(table.value).includes("weir_plain\0"));
});

test("the kernel offers a congestion control while its table is attached", () => {
  using loaded = parseFixture("struct-ops").load();
  assert.not(available().includes("weir_plain"));
  {
    using _link = loaded.structOp("registered").attach();
    assert.ok(available().includes("weir_plain"));
  }
  assert.not(available().includes("weir_plain"));
});

testWith(test, needs.structOpsLinks, "a linked table is offered as long as its link", () => {
  using loaded = parseFixture("struct-ops").load({ structOps: ["linked"] });
  assert.equal(
    loaded.structOps.map((table) => [table.name, table.linked]),
    [["linked", true]],
  );
  {
    using _link = loaded.structOp("linked").attach();
    assert.ok(available().includes("weir_linked"));
  }
  assert.not(available().includes("weir_linked"));
});

test("values and programs can be changed before load", () => {
  const object = parseFixture("struct-ops");
  const table = object.structOp("registered");
  assert.equal([...table.programs.keys()], ["ssthresh", "undo_cwnd", "cong_avoid"]);
  const value = table.get() as Record<string, unknown>;
  table.set({ ...value, name: "weir_renamed" } as never);
  table.programs.set("undo_cwnd", object.program("unused"));
  using loaded = object.load();
  assert.equal(loaded.programs.map((program) => program.name).sort(), ["avoid", "threshold", "unused"]);
  using _link = loaded.structOp("registered").attach();
  assert.ok(available().includes("weir_renamed"));
});

test("a program of a table is loaded alone, and one of no table is refused", () => {
  const object = parseFixture("struct-ops");
  using loaded = object.load({ programs: ["threshold"] });
  assert.equal([loaded.programs.length, loaded.maps.length, loaded.structOps.length], [1, 0, 0]);
  assert.match(
    thrown(() => object.load({ programs: ["unused"] })).message,
    'program "unused" is for struct_ops, but no struct_ops variable points to it',
  );
});

test("a program in two places of a table is refused by name", () => {
  const object = parseFixture("struct-ops");
  object.structOp("registered").programs.set("undo_cwnd", object.program("threshold"));
  const before = openDescriptors();
  // It does not serve two members even of different tables.
  assert.match(thrown(() => object.load()).message, '"threshold" serves several members');
  assert.equal(openDescriptors(), before);
});

test("a member that the kernel lacks is refused by name once it is set", () => {
  const object = parseFixture("struct-ops");
  const table = object.structOp("registered");
  table.set({ ...(table.get() as object), not_in_the_kernel: 5n } as never);
  const error = thrown(() => object.load());
  assert.instance(error, NotSupportedError);
  assert.match(error.message, 'member "not_in_the_kernel" in struct tcp_congestion_ops');
});

test.run();
