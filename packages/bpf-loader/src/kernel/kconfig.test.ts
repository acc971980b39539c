import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfObjectError } from "../index.js";
import type { ExternSpec, KconfigPlace } from "../object/externs.js";
import { thrown } from "../testing/thrown.js";
import { encodeOption, findOptions, kconfigValues } from "./kconfig.js";

const test = suite("kernel options");

function extern(type: KconfigPlace["type"], size: number, signed = false, name = "CONFIG_X"): ExternSpec {
  return { name, kind: "kconfig", weak: false, type: 1, kconfig: { type, offset: 0, size, signed } };
}

// What libbpf makes of a value for a variable (set_kcfg_value_tri, set_kcfg_value_str, set_kcfg_value_num).
const fits: [type: KconfigPlace["type"], size: number, signed: boolean, value: string, bytes: number[]][] = [
  ["bool", 1, false, "y", [1]],
  ["bool", 1, false, "n", [0]],
  ["tristate", 4, false, "n", [0, 0, 0, 0]],
  ["tristate", 4, false, "y", [1, 0, 0, 0]],
  ["tristate", 4, false, "m", [2, 0, 0, 0]],
  ["char", 1, true, "m", [109]],
  ["char", 1, true, "-128", [128]],
  ["char", 1, false, "255", [255]],
  ["int", 2, true, "-32768", [0, 128]],
  ["int", 4, false, "0xffffffff", [255, 255, 255, 255]],
  ["int", 4, true, "010", [8, 0, 0, 0]],
  ["int", 8, false, "0xffffffff81000000", [0, 0, 0, 0x81, 255, 255, 255, 255]],
  ["int", 8, true, "-1", [255, 255, 255, 255, 255, 255, 255, 255]],
  ["string", 4, false, '"ab"', [97, 98]],
  ["string", 4, false, '"abcdef"', [97, 98, 99]],
  ["string", 1, false, '"abc"', []],
];
for (const [type, size, signed, value, bytes] of fits) {
  test(`${value} fits ${signed ? "a signed " : ""}${type} of ${size} bytes`, () => {
    assert.equal([...encodeOption(extern(type, size, signed), value)], bytes);
  });
}

const refused: [type: KconfigPlace["type"], size: number, signed: boolean, value: string][] = [
  ["bool", 1, false, "m"],
  ["bool", 1, false, "1"],
  ["bool", 1, false, '"y"'],
  ["tristate", 4, false, "1"],
  ["int", 4, true, "y"],
  ["int", 4, true, "2147483648"],
  ["int", 4, true, "-2147483649"],
  ["int", 2, false, "-1"],
  ["int", 2, false, "65536"],
  ["char", 1, true, "128"],
  ["int", 8, false, "0x10000000000000000"],
  ["int", 4, false, "12x"],
  ["int", 4, false, "089"],
  ["int", 4, false, ""],
  ["string", 8, false, "y"],
  ["string", 8, false, "5"],
  ["string", 8, false, '"open'],
  ["string", 8, false, '"'],
];
for (const [type, size, signed, value] of refused) {
  test(`${value || "nothing"} does not fit ${signed ? "a signed " : ""}${type} of ${size} bytes`, () => {
    const error = thrown(() => encodeOption(extern(type, size, signed), value));
    assert.instance(error, BpfObjectError);
    assert.match(error.message, 'kernel option "CONFIG_X" is');
  });
}

test("an option is found at the start of a line alone, and its first value counts", () => {
  const text =
    "# CONFIG_B is not set\nCONFIG_AB=1\nXCONFIG_A=2\nCONFIG_A=3\nCONFIG_A=4\n#CONFIG_C=y\nCONFIG_D=n";
  const wanted = new Map(["CONFIG_A", "CONFIG_B", "CONFIG_C", "CONFIG_D"].map((name) => [name, 0]));
  assert.equal(
    [...findOptions(text, wanted)],
    [
      ["CONFIG_A", "3"],
      ["CONFIG_D", "n"],
    ],
  );
});

test("a problem with one option leaves the others with their values", () => {
  const good = extern("int", 4, true, "CONFIG_WEIR_GOOD");
  const bad = { ...extern("bool", 1, false, "CONFIG_WEIR_BAD") };
  const { bytes, problems } = kconfigValues(
    [{ ...good, kconfig: { ...good.kconfig!, offset: 4 } }, bad],
    "CONFIG_WEIR_GOOD=7\nCONFIG_WEIR_BAD=m\n",
  );
  assert.equal([...bytes], [0, 0, 0, 0, 7, 0, 0, 0]);
  assert.equal([...problems.keys()], [bad]);
});

test("a virtual option that nobody knows is an error, unless it is weak and Linux's", () => {
  const unknown = extern("int", 4, false, "LINUX_UNKNOWN");
  const foreign = { ...extern("int", 4, false, "WEIR_UNKNOWN"), weak: true };
  assert.equal([...kconfigValues([unknown, foreign]).problems.keys()], [unknown, foreign]);
  assert.is(kconfigValues([{ ...unknown, weak: true }]).problems.size, 0);
});

test.run();
