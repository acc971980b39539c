import { test } from "uvu";
import * as assert from "uvu/assert";
import { runsAll } from "../clients/prepare.js";
import { examine, type Report, score } from "./conformance.js";
import { compared, weir } from "./subjects.js";

async function examined(subject: Parameters<typeof examine>[0]): Promise<Report> {
  const report = await examine(subject);
  console.log(`${report.title}: ${score(report)}`);
  return report;
}

const outcome = (report: Report, title: string) =>
  report.results.find((result) => result.title.startsWith(title))?.outcome;

/** What each reference plugin is known to do, by its title: the beginning of a case's, and how it comes out. */
const known: Record<string, [string, "ok" | "miss" | "untold"][]> = {
  "bandwidth 1.1.1, veth": [
    ["ADD does its work", "ok"],
    ["STATUS", "untold"],
  ],
  "bandwidth 1.9.1, veth": [
    ["ADD does its work", "ok"],
    ["STATUS", "ok"],
  ],
  "bandwidth 1.9.1, ipvlan": [["ADD does its work", "miss"]],
  "tuning 1.1.1, veth": [["CHECK of an interface", "ok"]],
  "tuning 1.9.1, veth": [["GC keeps", "ok"]],
};

test("weir does all that CNI asks of a chained plugin, for ipvlan pods", async () => {
  const { results } = await examined(weir("ipvlan"));
  assert.equal(
    results.filter(({ outcome }) => outcome !== "ok"),
    [],
  );
});

if (runsAll) {
  test("weir does so for veth pods, and of the reference plugins it is told what they do and what not", async () => {
    for (const subject of (await compared()).slice(1)) {
      const report = await examined(subject);
      const expected = known[subject.title];
      for (const [title, how] of expected ?? [])
        assert.is(outcome(report, title), how, `${subject.title}: ${title}`);
      if (!expected)
        assert.equal(
          report.results.filter(({ outcome }) => outcome !== "ok"),
          [],
        );
    }
  });
}

test.run();
