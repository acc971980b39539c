import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseQuantity } from "@weir/shaper";
import { latencyChart, throughputChart } from "./charts.js";
import { measureCosts } from "./cost.js";
import { goals } from "./goals.js";
import { measureInVm } from "./machine.js";
import { page } from "./page.js";
import { type Choice, MAIN_RATE, type PeerName, peerNames, plan, type Stage } from "./plan.js";
import { type Exactness, mean, type Report } from "./report.js";
import { compileFlows } from "./sparse.js";
import { plain, tables } from "./table.js";

const checkout = fileURLToPath(new URL("../../../../", import.meta.url));

/** With how many processors, and flows, it is looked for overshoot. */
const EXACT = { cpus: 4, flows: 16, seconds: 10 };

const { values: options } = parseArgs({
  options: {
    kernel: { type: "string", default: "6.12" },
    quick: { type: "boolean", default: false },
    rates: { type: "string" },
    peers: { type: "string" },
    flows: { type: "string" },
    seconds: { type: "string" },
    json: { type: "string" },
    /** Print what other runs wrote, and draw its pictures, instead of measuring: files, apart by commas. */
    from: { type: "string" },
    /** Write docs/measurements.md and its pictures. */
    docs: { type: "boolean", default: false },
  },
});

const report = options.from ? together(options.from.split(",")) : await measured();
show(report);

/** What several runs measured, of different loads. */
function together(files: readonly string[]): Report {
  const reports = files.map((file) => JSON.parse(readFileSync(file, "utf8")) as Report);
  return {
    ...reports[0]!,
    cells: reports.flatMap(({ cells }) => cells),
    failures: reports.flatMap(({ failures }) => failures),
    command: reports.map(({ command }) => command).join("\n"),
    ...Object.assign({}, ...reports.map(({ exactness }) => (exactness ? { exactness } : {}))),
  };
}

/** Measures everything that was asked for. */
async function measured(): Promise<Report> {
  const stages = plan(choice());
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    return await measureAll(stages, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function choice(): Choice {
  const { quick } = options;
  const quickPeers: PeerName[] = ["weir", "fq_codel", "cake", "police"];
  const chosen = options.peers?.split(",") as PeerName[] | undefined;
  const stranger = chosen?.find((name) => !peerNames.includes(name));
  if (stranger) throw new Error(`there is no peer "${stranger}": ${peerNames.join(", ")}`);
  return {
    rates:
      options.rates?.split(",").map((rate) => Number(parseQuantity(rate))) ??
      (quick ? [MAIN_RATE] : [MAIN_RATE, 10_000_000, 1_000_000, 500_000_000]),
    peers: chosen ?? (quick ? quickPeers : peerNames),
    flows: options.flows?.split(",").map(Number) ?? (quick ? [1, 16, 64] : [1, 8, 16, 64]),
    quick,
    seconds: options.seconds === undefined ? undefined : Number(options.seconds),
  };
}

async function measureAll(stages: readonly Stage[], folder: string): Promise<Report> {
  const { kernel } = options;
  const before = loadavg()[0]!;
  const loads = [before];
  const watching = setInterval(() => loads.push(loadavg()[0]!), 10_000);
  try {
    const flows = join(folder, "flows");
    compileFlows(flows);
    const costs = measureCosts();
    const answer = await measureInVm(stages, { kernel, flows, folder, cpus: 2, virtualTime: true });
    const exactness = options.quick ? undefined : await measureExactness(flows, folder);
    return {
      ...answer,
      date: new Date().toISOString(),
      command: ["npm run bench -- shaping", ...process.argv.slice(2)].join(" "),
      host: { cpus: availableParallelism(), load: { before, mean: mean(loads), most: Math.max(...loads) } },
      costs,
      ...(exactness ? { exactness } : {}),
    };
  } finally {
    clearInterval(watching);
  }
}

/** Many flows on more processors, in real time: in virtual time they take turns, and do not race. */
async function measureExactness(flows: string, folder: string): Promise<Exactness | undefined> {
  const { kernel } = options;
  const test = {
    bitsPerSecond: MAIN_RATE,
    direction: "egress",
    protocol: "tcp",
    flows: EXACT.flows,
    ecn: false,
    seconds: EXACT.seconds,
  } as const;
  const machine = { kernel, flows, folder, cpus: EXACT.cpus, virtualTime: false };
  const { cells, cpus } = await measureInVm([{ test, peers: ["weir"] }], machine);
  const wire = cells[0]?.wireBitsPerSecond;
  return wire && { cpus, flows: test.flows, bitsPerSecond: test.bitsPerSecond, wireBitsPerSecond: wire };
}

function show(measuredReport: Report): void {
  const { kernel, host, failures, costs = [] } = measuredReport;
  const pictures = {
    "shaping-latency.svg": latencyChart(measuredReport),
    "shaping-seconds.svg": throughputChart(measuredReport),
  };
  console.log(
    `\nShaping, Linux ${kernel}; the host's load was ${host.load.mean.toFixed(1)} on ${host.cpus} processors`,
  );
  console.log("Mbit/s, ms; *: the best; (n x): times weir's\n");
  for (const table of tables(measuredReport)) console.log(`${plain(table)}\n`);
  if (costs.length > 0) console.log("ns a packet, by the kernel's test runs on this machine");
  for (const { name, ns } of costs) console.log(`  ${name.padEnd(24)} ${ns.toFixed(0).padStart(5)}`);
  console.log();
  for (const { peer, message } of failures) console.log(`${peer} could not be measured: ${message}`);
  for (const { name, wanted, found, reached } of goals(measuredReport))
    console.log(`${reached ? "reached" : "MISSED "}  ${name}: ${found} (${wanted})`);
  const output = join(checkout, "demo");
  mkdirSync(output, { recursive: true });
  for (const [name, svg] of Object.entries(pictures)) writeFileSync(join(output, name), svg);
  const json = options.json ?? join(output, "shaping.json");
  if (!options.from) writeFileSync(json, `${JSON.stringify(measuredReport)}\n`);
  console.log(`\nPictures: demo/${Object.keys(pictures).join(", demo/")}`);
  if (!options.docs) return;
  for (const [name, svg] of Object.entries(pictures)) writeFileSync(join(checkout, "docs", name), svg);
  const file = join(checkout, "docs/measurements.md");
  writeFileSync(file, page(measuredReport));
  execFileSync(join(checkout, "node_modules/.bin/biome"), ["format", "--write", file], { stdio: "ignore" });
}
