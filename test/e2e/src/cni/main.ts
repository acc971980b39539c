// Puts a chained CNI plugin to the suite's cases and prints a table.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Subject } from "./bench.js";
import { examine, type Report } from "./conformance.js";
import { type Device, devices } from "./place.js";
import { compared } from "./subjects.js";
import { table } from "./table.js";

const USAGE = `Usage: node test/e2e/dist/cni/main.js --plugin FILE --conf FILE [--device KIND] [--env NAME=VALUE]...
       node test/e2e/dist/cni/main.js --compare

  --plugin FILE     the plugin's executable
  --conf FILE       its entry in a conflist, as JSON, with the runtimeConfig that a runtime would add
  --device KIND     what the pod's eth0 is: ${devices.join(", ")} (default veth)
  --env NAME=VALUE  a variable that the plugin takes beside CNI's own
  --compare         weir and the reference plugins side by side, as in docs/cni-conformance.md

It makes network namespaces of its own and needs root. The exit status is 1 where the plugin misses a case that
the specification demands.`;

const { values } = parseArgs({
  options: {
    plugin: { type: "string" },
    conf: { type: "string" },
    device: { type: "string", default: "veth" },
    env: { type: "string", multiple: true, default: [] },
    compare: { type: "boolean", default: false },
  },
});
const { plugin, conf, env, compare } = values;
const device = devices.find((one) => one === values.device);
if (compare) {
  const reports: Report[] = [];
  for (const subject of await compared()) reports.push(await examine(subject));
  console.log(table(reports));
} else if (plugin === undefined || conf === undefined || device === undefined) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  const report = await run(plugin, conf, device);
  console.log(table([report]));
  const misses = report.results.filter(({ level, outcome }) => level === "must" && outcome === "miss");
  process.exitCode = misses.length > 0 ? 1 : 0;
}

function run(executable: string, file: string, kind: Device): Promise<Report> {
  const configuration = JSON.parse(readFileSync(file, "utf8")) as Subject["configuration"];
  const variables = Object.fromEntries(
    env.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]),
  );
  const title = String(configuration.type ?? executable);
  return examine({ title, executable, device: kind, configuration, env: variables });
}
