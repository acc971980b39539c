import { writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fetchNewerPlugins, referencePlugins } from "../clients/plugins.js";
import { runsAll } from "../clients/prepare.js";
import { examine, type Report, score } from "./conformance.js";
import { referenceBandwidth, referenceTuning, weir } from "./subjects.js";
import { table } from "./table.js";

const reports: Report[] = [];
const testAll = runsAll ? test : () => {};

for (const device of ["ipvlan", "veth"] as const) {
  (device === "ipvlan" ? test : testAll)(
    `weir does all that CNI asks of a chained plugin, for ${device} pods`,
    async () => {
      const report = await examine(weir(device));
      reports.push(report);
      const misses = report.results.filter(({ outcome }) => outcome !== "ok");
      assert.equal(misses, []);
    },
  );
}

testAll("what the reference plugins do instead is told apart from what they do", async () => {
  const newer = await fetchNewerPlugins();
  for (const subject of [
    referenceBandwidth(referencePlugins, "1.1.1", "veth"),
    referenceBandwidth(newer, "1.9.1", "veth"),
    referenceBandwidth(newer, "1.9.1", "ipvlan"),
    referenceTuning(referencePlugins, "1.1.1", "veth"),
    referenceTuning(newer, "1.9.1", "veth"),
  ]) {
    reports.push(await examine(subject));
  }
  const of = (title: string) => reports.find((report) => report.title === title)!;
  const outcome = (report: Report, title: string) =>
    report.results.find((result) => result.title.startsWith(title))?.outcome;
  assert.is(outcome(of("bandwidth 1.9.1, veth"), "ADD does its work"), "ok");
  assert.is(outcome(of("bandwidth 1.9.1, ipvlan"), "ADD does its work"), "miss");
  assert.is(outcome(of("bandwidth 1.1.1, veth"), "STATUS"), "untold");
  assert.is(outcome(of("tuning 1.9.1, veth"), "CHECK of an interface"), "ok");
});

test.after(() => {
  for (const report of reports) console.log(`${report.title}: ${score(report)}`);
  // The table of docs/cni-conformance.md.
  if (process.env.WEIR_CONFORMANCE_TABLE) writeFileSync(process.env.WEIR_CONFORMANCE_TABLE, table(reports));
});

test.run();
