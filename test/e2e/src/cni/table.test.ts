import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CaseResult, type Report, score } from "./conformance.js";
import { table } from "./table.js";

const result = (title: string, more: Partial<CaseResult> = {}): CaseResult => ({
  section: "ADD",
  title,
  level: "must",
  outcome: "ok",
  ...more,
});
const good: Report = {
  title: "good",
  versions: ["0.3.0", "1.0.0", "1.1.0"],
  results: [
    result("ADD works"),
    result("fields are kept", { level: "should" }),
    result("GC works", { section: "GC" }),
  ],
};
const old: Report = {
  title: "old",
  versions: [],
  results: [
    result("ADD works", { outcome: "miss", miss: "ADD says `no`" }),
    result("fields are kept", { level: "should" }),
    result("GC works", { section: "GC", outcome: "untold" }),
  ],
};

test("a case that a plugin is too old for counts neither way", () => {
  assert.is(score(good), "2 of 2 must, 1 of 1 should");
  assert.is(score(old), "0 of 1 must, 1 of 1 should");
});

test("the table shows plugins side by side, and what each does instead", () => {
  assert.is(
    table([good, old]),
    `| | good | old |
| --- | --- | --- |
| **speaks** | 0.3.0 to 1.1.0 | nothing |
| **ADD** |  |  |
| ADD works | ok | no |
| _fields are kept_ | ok | ok |
| **GC** |  |  |
| GC works | ok | – |
| **in all** | 2 of 2 must, 1 of 1 should | 0 of 1 must, 1 of 1 should |

What old does instead:

- ADD works: \`ADD says 'no'\`
`,
  );
});

test.run();
