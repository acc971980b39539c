// npm test: unit tests here, then the same root-needing tests and the end-to-end tests in the kernel VM, one summary.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  main,
  prepareCheckout,
  requireDebianPackages,
  requireRoot,
  requireVmPackages,
  root,
  SetupError,
  step,
} from "./setup.mjs";

const USAGE = `Usage: npm test [-- OPTIONS]

  --unit            only the tests that run on this host
  --clients         only the real clients of the plugin, all of them, and what takes long: containerd 1.6, 1.7 and 2.1,
                    podman, cnitool, what CNI asks of weir and of other plugins, 200 pods at once, the plugin killed at
                    every step; without this option containerd 1.7 is among the tests
  --cluster         only the agent, the chart and the manifest against a real API server, and then a whole small cluster
                    in the VM; the first time it builds Kubernetes, which takes many minutes and is why no other run
                    does it
  --kernel VERSION  in the VM only under this kernel (5.10, 6.1, 6.12, newest); may be given again
  --filter TEXT     only test files whose name holds TEXT
  --help            this text`;

/** What the VM's command ends with when the machine failed rather than what ran in it. */
const VM_FAILED = 125;

/** How long a virtual machine may take: half an hour would be slow. */
const VM_LIMIT_SECONDS = 3000;

const packages = readdirSync(join(root, "packages")).map((name) => `packages/${name}/dist`);
/** What runs with `--cluster` alone, but for its parts. */
const CLUSTER = "test/cluster/dist";
const everything = [...packages, "test/objects/dist", "test/docs/dist", "test/deploy/dist", "test/e2e/dist"];

/**
 * What runs in the VM by default: what there is time for; `--kernel` runs everything under one kernel. The newest kernel
 * alone has what some objects of Debian's packages want; the many tools, which take minutes there, run under the oldest
 * one besides this host's. The command lines, which no kernel makes different, and what sends traffic for minutes, run
 * under one of them. netlink and the objects run under this host's kernel and the oldest one, and 6.1, which lies between
 * the others, is left to the plugin and to whole pods. Races take more processors, under a kernel whose BPF can compare
 * and swap and under one whose cannot; network cards are moved into pods, and virtual functions of one, on machines that
 * nothing else needs them on.
 */
const DEFAULT_RUNS = [
  {
    kernel: "6.12",
    folders: without("packages/netlink/dist", "test/objects/dist"),
    files: "(?<!tools|races)",
  },
  {
    kernel: "5.10",
    folders: without("test/docs/dist", "test/deploy/dist"),
    files: "(?<!cli|soak|traffic|crash|races)",
  },
  {
    kernel: "6.1",
    folders: ["packages/cni-plugin/dist", "test/e2e/dist"],
    files: "(?<!cli|faults)",
  },
  {
    kernel: "6.12",
    folders: ["packages/shaper/dist"],
    files: "(?<=/|^)(nic|races)",
    machine: ["--cpus", "4", "--nic", "vmxnet3", "--nic", "virtio"],
    more: "4 processors and network cards",
  },
  {
    kernel: "6.12",
    folders: ["packages/netlink/dist", "test/e2e/dist"],
    files: "(?<=/|^)(vf|sriov)",
    machine: ["--nic", "igb", "--nic", "virtio"],
    more: "a card with virtual functions",
  },
  {
    kernel: "5.10",
    folders: ["packages/shaper/dist"],
    files: "(?<=/|^)races",
    machine: ["--cpus", "4"],
    more: "4 processors",
  },
  { kernel: "newest", folders: ["test/objects/dist"], files: "(?<!tools)" },
];

/** All folders of tests but these. */
function without(...folders) {
  return everything.filter((folder) => !folders.includes(folder));
}

/** The kernel under which the plugin's clients run, and what takes minutes and is the same under each. */
const CLIENTS_KERNEL = "6.12";

/** The kernel under which a whole cluster runs. */
const CLUSTER_KERNEL = "6.12";

/** What a run prints, kept until it is its turn to be seen. */
class Output {
  #kept = "";
  #shown = false;
  #end;
  #ended = new Promise((resolve) => {
    this.#end = resolve;
  });

  write(text) {
    if (this.#shown) process.stdout.write(text);
    else this.#kept += text;
  }

  end() {
    this.#end();
  }

  /** Shows what it has printed and what it goes on to print, until it ends. */
  show() {
    this.#shown = true;
    process.stdout.write(this.#kept);
    return this.#ended;
  }
}

await main(async (args) => {
  const options = parse(args);
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const inVm = !options.unit;
  if (inVm) requireRoot("npm test boots kernels and installs what they need; that");
  await prepareCheckout();
  if (options.cluster) return summarise(await clusterTests(options));
  const results = [];
  if (!options.clients && (inVm || process.getuid() === 0)) {
    await step("fetching BPF objects of Debian's packages", () => fetchObjects());
  }

  // The ELF parser is compared with binutils' readelf.
  await requireDebianPackages(["binutils"]);
  if (inVm) {
    // bpftool is what the loader's results are compared with; in tmux the command line's screens are looked at.
    await requireVmPackages("bpftool", "tmux");
  }

  if ((!options.kernels && !options.clients) || options.unit) {
    // Root-needing tests run here too where this is root: a second kernel, and line coverage.
    const others = "e2e|client|cluster|cluster-vm|long";
    const kind = process.getuid() === 0 ? `(?<!\\.(${others}))` : `(?<!\\.(${others}|root))`;
    const coverage = ["node_modules/c8/bin/c8.js", "--reporter=text-summary", "--reporter=lcov"];
    const command = [
      ...coverage,
      process.execPath,
      "scripts/suite.mjs",
      pattern(options, kind),
      "test/fuzz/dist",
      "test/bench/dist",
      "test/vm/dist",
      CLUSTER,
      ...everything,
    ];
    results.push({ where: "this host", ...(await suite(process.execPath, command)) });
  }

  if (!inVm) return summarise(results);
  const asked = options.kernels?.map((kernel) => ({ kernel, folders: everything, files: "" }));
  const runs = (options.clients ? [] : (asked ?? DEFAULT_RUNS)).map(
    ({ kernel, folders, files, machine, more }) => ({
      where: more ? `Linux ${kernel}, ${more}` : `Linux ${kernel}`,
      title: `Linux ${kernel} in the VM${more ? ` with ${more}` : ""}`,
      kernel,
      machine,
      files: pattern(options, `${files}\\.(root|e2e)`),
      folders,
    }),
  );
  if (!options.kernels) {
    await step("fetching clients of the plugin", () => fetchClients(options.clients));
    // They take longest, and begin first.
    runs.unshift({
      where: "clients",
      title: `Clients of the plugin under Linux ${CLIENTS_KERNEL} in the VM`,
      kernel: CLIENTS_KERNEL,
      files: pattern(options, options.clients ? "\\.(client|long)" : "containerd\\.client"),
      folders: ["packages/cni-plugin/dist", "packages/agent/dist", "packages/shaper/dist", "test/e2e/dist"],
      env: options.clients ? [] : ["--env", "WEIR_CLIENTS=few"],
    });
  }
  results.push(...(await inTurns(runs)));
  return summarise(results);
});

/** Runs the agent, the chart and the manifest against a Kubernetes API, here; then a cluster with a node, in the VM. */
async function clusterTests(options) {
  await requireDebianPackages(["openssl"]);
  await requireVmPackages();
  const { prepareClusterTests } = await import("../test/cluster/dist/index.js");
  await step("fetching and building what a cluster takes", () =>
    prepareClusterTests((message) => process.stderr.write(`\n  ${message} `)),
  );
  // The agent has a state of its own there, and touches nothing of this machine.
  const command = ["scripts/suite.mjs", pattern(options, "\\.cluster"), CLUSTER];
  const here = { where: "Kubernetes API", ...(await suite(process.execPath, command)) };
  const node = {
    where: `whole cluster, Linux ${CLUSTER_KERNEL}`,
    title: `A whole cluster under Linux ${CLUSTER_KERNEL} in the VM`,
    kernel: CLUSTER_KERNEL,
    files: pattern(options, "\\.cluster-vm"),
    folders: [CLUSTER],
    machine: ["--memory", "4096"],
  };
  return [here, ...(await inTurns([node]))];
}

/** Runs as many virtual machines at once as there are processors; what they print comes one after the other. */
async function inTurns(runs) {
  const outputs = runs.map(() => new Output());
  const results = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < runs.length; index = next++) {
      const { where, title, ...run } = runs[index];
      const output = outputs[index];
      output.write(`\n=== ${title}\n`);
      results[index] = { where, ...(await suiteInVm(run, output)) };
      output.end();
    }
  };
  const printing = (async () => {
    for (const output of outputs) await output.show();
  })();
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  await printing;
  return results;
}

/** Runs compiled tests in the VM, once more where the machine itself failed. */
async function suiteInVm({ kernel, files, folders, env = [], machine = [] }, output) {
  const { cacheFolder } = await import("../test/vm/dist/index.js");
  const cache = ["--env", `WEIR_CACHE=${cacheFolder()}`];
  const limit = ["--timeout", String(VM_LIMIT_SECONDS)];
  const vm = ["test/vm/dist/cli.js", "--kernel", kernel, ...limit, ...machine, ...cache, ...env, "--"];
  const command = [...vm, process.execPath, "scripts/suite.mjs", files, ...folders];
  const result = await suite(process.execPath, command, output);
  if (!result.broken || result.status !== VM_FAILED) return result;
  // QEMU's emulation does not always survive a kernel that patches its own code while the other CPU runs it.
  output.write(`\nThe virtual machine itself failed under Linux ${kernel}; once more:\n`);
  return suite(process.execPath, command, output);
}

/** Container runtimes and the like, from Debian's packages. */
async function fetchClients(all) {
  const { prepareClients } = await import("../test/e2e/dist/clients/prepare.js");
  await prepareClients(all ? "all" : "few", () => {});
}

/** The VM has no network; it sees this machine's files. */
async function fetchObjects() {
  const { fetchAll } = await import("../test/objects/dist/packages.js");
  await fetchAll();
}

function parse(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        unit: { type: "boolean" },
        clients: { type: "boolean" },
        cluster: { type: "boolean" },
        kernel: { type: "string", multiple: true },
        filter: { type: "string" },
        help: { type: "boolean" },
      },
    });
    return { ...values, kernels: values.kernel };
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
}

/** The pattern of the compiled test files: `kind` stands before ".test.js". */
function pattern({ filter }, kind) {
  const name = filter === undefined ? "" : `(?=.*${filter.replace(/[^\w-]/g, "\\$&")})`;
  return `^${name}.*${kind}\\.test\\.js$`;
}

/** Runs scripts/suite.mjs, one way or another, and gives what it counted. */
function suite(program, args, output = process.stdout) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const stop = (signal) => child.kill(signal);
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    let result;
    let rest = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("suite: ")) result = JSON.parse(line.slice(7));
        else output.write(`${line}\n`);
      }
    });
    child.stderr.setEncoding("utf8").on("data", (text) => output.write(text));
    child.on("close", (status) => {
      output.write(rest);
      resolve(result ?? { passed: 0, failed: 1, skipped: 0, broken: true, status });
    });
  });
}

function summarise(results) {
  console.log("\n=== Summary");
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { where, passed, failed, skipped, broken, again = [] } of results) {
    console.log(
      `${where}: ${passed} passed, ${failed} failed, ${skipped} skipped${broken ? " (ended before its summary)" : ""}`,
    );
    for (const file of again)
      console.log(`  UNSTEADY: ${file} failed at first, and passed when run again alone`);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  if (total.skipped > 0)
    console.log(`${total.skipped} skipped: this kernel lacks what they need; see the VM's kernels.`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}
