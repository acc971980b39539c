import { readFileSync } from "node:fs";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fixturePath, parseFixture } from "../testing/fixtures.js";
import { randomStructs } from "../testing/random-structs.js";

const test = suite("structs as the compiler lays them out");
const { source, variables } = randomStructs();

test("the fixture is what its maker makes", () => {
  const path = new URL("layouts.bpf.c", fixturePath("layouts"));
  assert.is(readFileSync(path, "utf8"), source);
});

for (const name of ["layouts", "layouts-big-endian"] as const) {
  test(`${name}: each value is read as the source gives it, and written as the compiler does`, () => {
    const object = parseFixture(name);
    for (const { name, value } of variables) {
      const variable = object.variable(name);
      assert.equal(variable.get(), value, name);
      // The compiler leaves padding zero as well.
      assert.equal(variable.codec.encode(value), variable.bytes, name);
    }
  });
}

for (const name of ["layouts", "layouts-big-endian"] as const) {
  test(`${name}: whatever the bytes are, what is read from them is read again from what it is written as`, () => {
    const codecs = variables.map(({ name: variable }) => parseFixture(name).variable(variable).codec);
    fc.assert(
      fc.property(fc.constantFrom(...codecs), fc.infiniteStream(fc.nat(255)), (codec, stream) => {
        const bytes = Uint8Array.from({ length: codec.size }, () => stream.next().value!);
        const value = codec.decode(bytes);
        assert.equal(codec.decode(codec.encode(value)), value);
      }),
      { numRuns: 1000 },
    );
  });
}

test.run();
