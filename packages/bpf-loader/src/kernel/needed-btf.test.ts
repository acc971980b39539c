import { suite } from "uvu";
import * as assert from "uvu/assert";
import { link } from "../object/link.js";
import { type FixtureName, parseFixture } from "../testing/fixtures.js";
import { neededBtf } from "./needed-btf.js";

const test = suite("the BTF that a load needs");

/** The types that a load of a program and a map takes along. */
function needed(fixture: FixtureName, program: string, maps: readonly string[]) {
  const object = parseFixture(fixture);
  const linked = link(object.program(program).function, object.littleEndian);
  const slice = neededBtf(
    object,
    [linked],
    maps.map((name) => object.map(name)),
  )!;
  return { whole: object.btf!, slice };
}

test("a program takes along its functions and their types, not what CO-RE looks for", () => {
  const { whole, slice } = needed("core", "in_subprogram", []);
  const names = (kind: "func" | "struct") => [...slice.btf.typesOf(kind)].map((type) => type.name).sort();
  assert.equal(names("func"), ["answer_from_afar", "in_subprogram"]);
  assert.is(slice.btf.find("task_struct", "struct"), undefined);
  assert.ok(slice.btf.find("__sk_buff", "struct"));
  assert.ok(slice.btf.typeCount < whole.typeCount / 2);
  const id = whole.find("in_subprogram", "func")!.id;
  assert.is(slice.btf.type(slice.typeId(id)).name, "in_subprogram");
});

test("a map takes along its key and value, not its definition", () => {
  const { slice } = needed("shape", "shape_lock", ["pods"]);
  assert.ok(slice.btf.find("pod", "struct"));
  assert.is(slice.btf.find(".maps", "datasec"), undefined);
});

test("a program that holds the id of a type takes it along, under that id", () => {
  const { whole, slice } = needed("core", "type_id_local", []);
  const { id } = whole.find("weir_nothing_of_the_kind", "struct")!;
  assert.is(slice.btf.name(id), "weir_nothing_of_the_kind");
  assert.is(slice.typeId(id), id);
  const other = whole.find("sk_buff", "struct")!.id;
  assert.equal(slice.btf.type(other), { id: other, kind: "const", name: "", type: 0 });
  assert.throws(() => slice.typeId(other), /left out/);
});

test.run();
