// npm run bench: measurements side by side with peers; see test/bench/README.md.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  main,
  prepareCheckout,
  requireDebianPackages,
  requireRoot,
  requireVmPackages,
  run,
  SetupError,
} from "./setup.mjs";

/** What libbpf's side of "bpf" is compiled with, and its command line. */
const peerPackages = ["gcc", "libc6-dev", "libbpf-dev", "bpftool"];

/** What "netlink" is measured beside; npm's is a dependency of test/bench. */
const netlinkPackages = ["iproute2", "python3-pyroute2", "util-linux"];

/** Measurements that write a report. */
const reporting = ["bpf", "netlink"];

const USAGE = `Usage: npm run bench [-- [add] [shaping] [bpf] [netlink] [OPTIONS]]

  --kernel VERSION  under this kernel (default 5.10, 6.1 and 6.12; "bpf", "netlink": this machine's own); may be given again
  --here            run "add" on this machine's own kernel
  --quick           "netlink" with a tenth of the routes, links and filters
  --json FILE       write what "bpf" or "netlink" measured into this file`;

await main(async (args) => {
  const { names, kernels, given, here, json, quick } = parse(args);
  requireRoot("The benchmarks make network namespaces and boot kernels; they");
  await prepareCheckout();
  if (names.includes("bpf")) await requireDebianPackages(peerPackages);
  if (names.includes("netlink")) await requireDebianPackages(netlinkPackages);
  const others = names.filter((name) => name !== "netlink" && (name !== "bpf" || given));
  if (others.length > 0) await requireVmPackages();
  let failures = 0;
  if (names.includes("add")) {
    const script = [process.execPath, "test/bench/dist/add.js"];
    if (here) failures += (await run(...programOf(script))) === 0 ? 0 : 1;
    for (const kernel of here ? [] : kernels) failures += (await inVm(kernel, script)) === 0 ? 0 : 1;
  }
  if (names.includes("shaping")) for (const kernel of kernels) failures += await shaping(kernel);
  if (names.includes("bpf")) {
    const script = [process.execPath, "test/bench/dist/bpf/main.js", ...(json ? ["--json", json] : [])];
    if (!given) failures += (await run(...programOf(script))) === 0 ? 0 : 1;
    for (const kernel of given ? kernels : []) failures += (await inVm(kernel, script)) === 0 ? 0 : 1;
  }
  if (names.includes("netlink")) {
    const script = ["test/bench/dist/netlink/main.js", ...(quick ? ["--quick"] : [])];
    const output = json ? ["--json", json] : [];
    failures += (await run(process.execPath, [...script, ...output])) === 0 ? 0 : 1;
  }
  return failures === 0 ? 0 : 1;
});

function parse(args) {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        kernel: { type: "string", multiple: true },
        here: { type: "boolean" },
        json: { type: "string" },
        quick: { type: "boolean" },
      },
    });
    const known = ["add", "shaping", "bpf", "netlink"];
    const stranger = positionals.find((name) => !known.includes(name));
    if (stranger) throw new Error(`there is no measurement "${stranger}"`);
    const names = positionals.length > 0 ? positionals : known;
    if (values.json && names.filter((name) => reporting.includes(name)).length !== 1)
      throw new Error("--json FILE takes one of the measurements bpf and netlink");
    return {
      names,
      kernels: values.kernel ?? ["5.10", "6.1", "6.12"],
      given: values.kernel !== undefined,
      here: values.here === true,
      json: values.json && resolve(values.json),
      quick: values.quick === true,
    };
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
}

async function shaping(kernel) {
  const { table, worst } = await import("../test/e2e/dist/index.js");
  const output = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    const file = join(output, "report.json");
    const guest = ["test/e2e/dist/demo/guest.js", "--limit", "100000000", "--mode", "l2", "--output", file];
    if ((await inVm(kernel, [process.execPath, ...guest], ["--share", output])) !== 0) return 1;
    const report = JSON.parse(readFileSync(file, "utf8"));
    console.log(`\n${table(report)}\n`);
    for (const { name, wireBitsPerSecond, limited } of report.runs) {
      if (!limited) continue;
      const off = worst(wireBitsPerSecond, report.limitBitsPerSecond) / report.limitBitsPerSecond - 1;
      console.log(`${name.padEnd(20)} worst second ${(off * 100).toFixed(1).padStart(6)}% off the limit`);
    }
    console.log();
    return 0;
  } finally {
    rmSync(output, { recursive: true });
  }
}

function inVm(kernel, command, options = []) {
  const vm = ["test/vm/dist/cli.js", "--kernel", kernel, "--timeout", "900", "--quiet", ...options, "--"];
  return run(process.execPath, [...vm, ...command]);
}

function programOf([program, ...args]) {
  return [program, args];
}
