// npm run bench: measurements side by side with peers; see test/bench/README.md.
import { resolve } from "node:path";
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
const reporting = ["bpf", "netlink", "shaping"];

/** What the traffic of "shaping" is compiled with. */
const trafficPackages = ["gcc", "libc6-dev"];

/** Options that "shaping" alone has. */
const ofShaping = {
  rates: { type: "string" },
  peers: { type: "string" },
  flows: { type: "string" },
  seconds: { type: "string" },
  from: { type: "string" },
  docs: { type: "boolean" },
};

const USAGE = `Usage: npm run bench [-- [add] [shaping] [bpf] [netlink] [OPTIONS]]

  --kernel VERSION  under this kernel (default: "add" 5.10, 6.1 and 6.12; "shaping" 6.12; "bpf", "netlink" this machine's
                    own); may be given again
  --here            run "add" on this machine's own kernel
  --quick           "netlink" with a tenth of the routes, links and filters; "shaping" in a few minutes
  --json FILE       write what "bpf", "netlink" or "shaping" measured into this file

Of "shaping" alone:
  --rates LIST      limits: 100M,10M,1M,500M
  --peers LIST      of weir,fq_codel,cake,edt,tbf,htb,bandwidth,containerd,police,unshaped
  --flows LIST      how many TCP flows: 1,8,16,64
  --seconds N       how long each load lasts
  --from FILE       print what a run wrote with --json, and draw its pictures, instead of measuring
  --docs            write docs/measurements.md and its pictures`;

await main(async (args) => {
  const { names, kernels, given, here, json, quick, shaping } = parse(args);
  requireRoot("The benchmarks make network namespaces and boot kernels; they");
  await prepareCheckout();
  if (names.includes("bpf")) await requireDebianPackages(peerPackages);
  if (names.includes("netlink")) await requireDebianPackages(netlinkPackages);
  if (names.includes("shaping")) await requireDebianPackages(trafficPackages);
  const others = names.filter((name) => name !== "netlink" && (name !== "bpf" || given));
  if (others.length > 0) await requireVmPackages();
  let failures = 0;
  if (names.includes("add")) {
    const script = [process.execPath, "test/bench/dist/add.js"];
    if (here) failures += (await run(...programOf(script))) === 0 ? 0 : 1;
    for (const kernel of here ? [] : kernels) failures += (await inVm(kernel, script)) === 0 ? 0 : 1;
  }
  if (names.includes("shaping"))
    for (const kernel of given ? kernels : ["6.12"]) {
      const options = ["--kernel", kernel, ...(quick ? ["--quick"] : []), ...(json ? ["--json", json] : [])];
      const script = ["test/bench/dist/shaping/main.js", ...options, ...shaping];
      failures += (await run(process.execPath, script)) === 0 ? 0 : 1;
    }
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
        ...ofShaping,
      },
    });
    const known = ["add", "shaping", "bpf", "netlink"];
    const stranger = positionals.find((name) => !known.includes(name));
    if (stranger) throw new Error(`there is no measurement "${stranger}"`);
    const names = positionals.length > 0 ? positionals : known;
    if (values.json && names.filter((name) => reporting.includes(name)).length !== 1)
      throw new Error("--json FILE takes one of the measurements bpf, netlink and shaping");
    const shaping = Object.keys(ofShaping).filter((name) => values[name] !== undefined);
    if (shaping.length > 0 && !names.includes("shaping"))
      throw new Error(`--${shaping[0]} is an option of "shaping"`);
    return {
      names,
      kernels: values.kernel ?? ["5.10", "6.1", "6.12"],
      given: values.kernel !== undefined,
      here: values.here === true,
      json: values.json && resolve(values.json),
      quick: values.quick === true,
      shaping: shaping.flatMap((name) => [`--${name}`, ...(values[name] === true ? [] : [values[name]])]),
    };
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
}

function inVm(kernel, command, options = []) {
  const vm = ["test/vm/dist/cli.js", "--kernel", kernel, "--timeout", "900", "--quiet", ...options, "--"];
  return run(process.execPath, [...vm, ...command]);
}

function programOf([program, ...args]) {
  return [program, args];
}
