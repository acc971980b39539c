import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Column, cutLine, formatTable, shorten } from "./table.js";

const bold = (text: string) => `<${text}>`;

test("columns are aligned, numbers to the right, and styles do not count as width", () => {
  assert.is(
    formatTable(
      [{ title: "ID" }, { title: "N", right: true }, { title: "X", style: bold }],
      [
        [{ text: "a", style: bold }, "1", "x"],
        ["bbb", "100", ""],
      ],
    ),
    ["ID     N  <X>", "<a  >    1  x", "bbb  100"].join("\n"),
  );
});

test("a table without rows is its titles", () => {
  assert.is(formatTable([{ title: "ID" }, { title: "N", right: true }], []), "ID  N");
});

const columns: Column[] = [
  { title: "POD", shorten: { from: "middle", to: 9 } },
  { title: "RATE", right: true },
  { title: "MORE", optional: 1 },
  { title: "MOST", optional: 2, shorten: { from: "end", to: 4 } },
];
const row = ["shop/web-0123456789", "100M", "more", "mostly"];

test("with little room, optional columns go first, and then names are shortened in the middle", () => {
  const second = (width: number) => formatTable(columns, [row], width).split("\n")[1];
  assert.is(second(100), "shop/web-0123456789  100M  more  mostly");
  assert.is(second(38), "shop/web-…23456789  100M  more  mostly");
  for (let width = 15; width < 45; width++) {
    for (const line of formatTable(columns, [row], width).split("\n"))
      assert.ok(line.length <= width, `${width}: ${line}`);
  }
  assert.is(second(15), "shop…6789  100M");
  // Nothing that is needed is left out, however narrow it gets.
  assert.is(second(1), "shop…789  100M");
});

test("a text is shortened to its beginning and its end", () => {
  assert.is(shorten("abcdefgh", 8), "abcdefgh");
  assert.is(shorten("abcdefgh", 5), "ab…gh");
  assert.is(shorten("abcdefgh", 6), "abc…gh");
  assert.is(shorten("abcdefgh", 5, "end"), "abcd…");
  assert.is(shorten("abcdefgh", 1), "a");
  assert.is(shorten("abcdefgh", 0), "");
});

test("a line is cut to its width, with its colours whole", () => {
  assert.is(cutLine("\u001b[1mabc\u001b[22mdef", 4), "\u001b[1mabc\u001b[22md");
  assert.is(cutLine("abc", 4), "abc");
});

test.run();
