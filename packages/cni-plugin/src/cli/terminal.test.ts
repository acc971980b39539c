import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatTable } from "./terminal.js";

test("columns are aligned, numbers to the right, and styles do not count as width", () => {
  const bold = (text: string) => `<${text}>`;
  assert.is(
    formatTable(
      ["ID", " N", "X"],
      [
        [{ text: "a", style: bold }, "1", "x"],
        ["bbb", "100", ""],
      ],
    ),
    ["ID     N  X", "<a  >    1  x", "bbb  100"].join("\n"),
  );
});

test("a table without rows is its headings", () => {
  assert.is(formatTable(["ID", " N"], []), "ID  N");
});

test.run();
