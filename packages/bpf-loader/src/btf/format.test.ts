import { suite } from "uvu";
import * as assert from "uvu/assert";
import { btfBlob, info, type TypeWords } from "../testing/btf-blob.js";
import { thrown } from "../testing/thrown.js";
import { Btf } from "./btf.js";
import type { BtfError } from "./error.js";
import { formatDeclaration, formatType } from "./format.js";
import { BtfKind } from "./types.js";

const test = suite("types in C");
const INT: TypeWords = ["int", info(BtfKind.INT), 4, (1 << 24) | 32];

const btf = Btf.parse(
  btfBlob([
    INT, // 1
    ["char", info(BtfKind.INT), 1, 8],
    ["", info(BtfKind.CONST), 2],
    ["", info(BtfKind.PTR), 3], // 4: const char *
    ["", info(BtfKind.CONST), 4],
    ["", info(BtfKind.FUNC_PROTO, 3), 4, "a", 5, "", 1, "", 0], // 6
    ["", info(BtfKind.PTR), 6],
    ["", info(BtfKind.ARRAY), 0, 7, 1, 3],
    ["", info(BtfKind.STRUCT, 2, true), 8, "x", 1, 0, "", 1, (3 << 24) | 32], // 9
    ["outer", info(BtfKind.UNION, 3), 24, "calls", 8, 0, "", 9, 0, "inner", 9, 0],
    ["big", info(BtfKind.ENUM64, 2, true), 8, "MINUS", -1, -1, "LARGE", 0, 1],
    ["f", info(BtfKind.FUNC, 2), 6], // 12
    ["v", info(BtfKind.VAR), 8, 0],
    [".data", info(BtfKind.DATASEC, 1), 24, 13, 0, 24],
    ["t", info(BtfKind.TYPEDEF), 7], // 15
    ["gone", info(BtfKind.FWD, 0, true), 0],
    ["user", info(BtfKind.TYPE_TAG), 2],
    ["", info(BtfKind.PTR), 17], // 18
    ["", info(BtfKind.FUNC_PROTO), 0],
    ["g", info(BtfKind.FUNC, 1), 19],
    ["none", info(BtfKind.STRUCT), 0], // 21
    ["", info(BtfKind.ARRAY), 0, 8, 1, 2],
    ["", info(BtfKind.PTR), 22],
  ]),
);

for (const [id, text] of [
  [4, "const char *;"],
  [
    10,
    `union outer {
	const char *(*calls[3])(const char * const a, int, ...);
	struct {
		int x;
		int : 3;
	};
	struct {
		int x;
		int : 3;
	} inner;
};`,
  ],
  [11, "enum big {\n\tMINUS = -1LL,\n\tLARGE = 4294967296LL,\n};"],
  [12, "extern const char *f(const char * const a, int, ...);"],
  [14, "static const char *(*v[3])(const char * const a, int, ...);"],
  [15, "typedef const char *(*t)(const char * const a, int, ...);"],
  [16, "union gone;"],
  [20, "void g(void);"],
  [21, "struct none {};"],
  [0, "void;"],
] as const) {
  test(text.split("\n")[0]!, () => assert.is(formatType(btf, id), text));
}

test("declarations name what is declared", () => {
  assert.is(formatDeclaration(btf, 1, "n"), "int n");
  assert.is(formatDeclaration(btf, 10, "o"), "union outer o");
  assert.is(formatDeclaration(btf, 18, "p"), '__attribute__((btf_type_tag("user"))) char *p');
  assert.is(formatDeclaration(btf, 23), "const char *(*(*)[2][3])(const char * const a, int, ...)");
});

test("types in a circle, and structs that multiply, are refused in bounded time", () => {
  const code = (types: TypeWords[]) => {
    const circle = Btf.parse(btfBlob(types));
    return (thrown(() => formatType(circle, 1)) as BtfError).code;
  };
  assert.is(code([["", info(BtfKind.PTR), 1]]), "BTF_DEPTH");
  assert.is(code([["", info(BtfKind.CONST), 1]]), "BTF_DEPTH");
  assert.is(code([["", info(BtfKind.STRUCT, 1), 0, "", 1, 0]]), "BTF_DEPTH");
  assert.is(code([["", info(BtfKind.ARRAY), 0, 1, 1, 1]]), "BTF_DEPTH");
  assert.is(code([["d", info(BtfKind.DATASEC, 1), 0, 1, 0, 0]]), "BTF_KIND");
  const doubling: TypeWords[] = [];
  for (let id = 1; id < 24; id++)
    doubling.push(["", info(BtfKind.STRUCT, 2), 0, "a", id + 1, 0, "b", id + 1, 0]);
  doubling.push(INT);
  assert.is(code(doubling), "BTF_LIMIT");
});

test.run();
