import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BpfMap, type BpfObjectError, BtfValueError } from "../index.js";
import { parseFixture } from "../testing/fixtures.js";
import { thrown } from "../testing/thrown.js";

const test = suite("variables of loaded objects");
const data = new Uint8Array(64);

test("what is written to a variable is what the next run finds, and what the run writes is read", () => {
  using loaded = parseFixture("globals").load();
  const [runs, total] = [loaded.variable("runs"), loaded.variable("total")];
  const program = loaded.program("add");
  assert.is(runs.get(), 40n);
  program.testRun({ data });
  assert.equal([runs.get(), total.get()], [42n, 34]);
  runs.set(7n);
  total.set(100);
  // runs becomes 9; table[1] is 20, and 4 are added always.
  assert.is(program.testRun({ data }).returnValue, 124);
  assert.equal([runs.get(), total.get()], [9n, 124]);
});

test("an array, and a part of it, is written in place", () => {
  using loaded = parseFixture("globals").load();
  const table = loaded.variable("table");
  table.set([1, 2, 3, 4]);
  assert.equal(table.get(), [1, 2, 3, 4]);
  // The second element alone, through the bytes that programs see.
  table.bytes.set([9, 0, 0, 0], 4);
  assert.equal(loaded.map(".data.table").get(0), { table: [1, 9, 3, 4] });
});

test("a static variable of a section that can be mapped is live as well", () => {
  using loaded = parseFixture("globals").load();
  loaded.variable("hidden_step").set(5);
  loaded.program("add").testRun({ data });
  assert.is(loaded.variable("runs").get(), 45n);
});

test("constants can be read and not written", () => {
  using loaded = parseFixture("globals").load();
  const minimum = loaded.variable("minimum");
  assert.is(minimum.get(), -(2n ** 63n));
  const error = thrown(() => minimum.set(1n)) as BpfObjectError;
  assert.is(error.code, "BPF_VARIABLE");
  assert.match(error.message, "section .rodata is frozen: set its variables before load");
  thrown(() => minimum.bytes);
});

test("a section without global variables can be read and not written", () => {
  using loaded = parseFixture("contents").load({ programs: ["statics"] });
  const hidden = loaded.variable("hidden");
  assert.is(loaded.map(".data.hidden").info.flags, 0);
  assert.is(hidden.get(), 30);
  assert.is(loaded.program("statics").testRun({ data }).returnValue, 31);
  assert.is(hidden.get(), 31);
  assert.match(thrown(() => hidden.set(1)).message, ".data.hidden cannot be mapped");
});

test("a value of another shape changes nothing", () => {
  using loaded = parseFixture("globals").load();
  assert.instance(
    thrown(() => loaded.variable("total").set("many")),
    BtfValueError,
  );
  assert.is(loaded.variable("total").get(), 0);
});

test("variables are those of the sections that were loaded", () => {
  const object = parseFixture("globals");
  using none = object.load({ programs: [] });
  assert.equal(none.variables, []);
  assert.match(thrown(() => none.variable("runs")).message, 'no variable named "runs" was loaded');
  using all = object.load();
  assert.equal(
    all.variables.map((variable) => variable.name).sort(),
    object.variables.map((variable) => variable.name).sort(),
  );
});

test("objects that share a section share its variables", () => {
  using first = parseFixture("globals").load();
  using second = parseFixture("globals").load({ maps: { ".data": first.map(".data") as BpfMap } });
  first.variable("runs").set(11n);
  assert.is(second.variable("runs").get(), 11n);
});

test("a variable of a closed object is an error, not a crash", () => {
  const loaded = parseFixture("globals").load();
  const [runs, total] = [loaded.variable("runs"), loaded.variable("total")];
  runs.set(3n);
  loaded.close();
  assert.throws(() => runs.get(), /closed/);
  assert.throws(() => runs.set(1n), /closed/);
  assert.throws(() => total.get(), /closed/);
});

test.run();
