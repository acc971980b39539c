import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkRequirements, type Inspection, Shaper } from "@weir/shaper";
import { mountBpffs, unmount } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cniError, Executables, type Outcome } from "./testing/executables.js";
import { Pod } from "./testing/pod.js";

const executables = new Executables();
const bpffs = join(executables.folder, "bpffs");
const base = { WEIR_BPFFS: bpffs };

const tests = suite("weir on a real kernel");
tests.before(() => {
  executables.build();
  mkdirSync(bpffs);
  mountBpffs(bpffs);
});
tests.after(() => {
  unmount(bpffs);
  executables.remove();
});

const missing = checkRequirements().filter(({ ok, required, name }) => required && !ok && name !== "bpffs");
// In the kernel VM nothing may be missing, so that a test that fails there is seen.
const skipped = missing.length > 0 && !process.env.WEIR_VM;
if (skipped) console.log(`skipped: this kernel lacks ${missing.map(({ name }) => name).join(", ")}`);
const test = (name: string, work: () => void | Promise<void>) =>
  skipped ? tests.skip(name, work) : tests(name, work);

const prevResult = { cniVersion: "1.1.0", interfaces: [{ name: "eth0" }], ips: [{ address: "10.1.0.5/16" }] };
const limited = (egressRate: number, ingressRate = 50_000_000) => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "weir",
  prevResult,
  runtimeConfig: {
    bandwidth: {
      EgressRate: egressRate,
      EgressBurst: 4294967295,
      IngressRate: ingressRate,
      IngressBurst: 4294967295,
    },
  },
});

function cni(
  command: string,
  pod: { netns: string },
  input: object,
  env: NodeJS.ProcessEnv = {},
  form: readonly string[] = [executables.launcher],
): Outcome {
  return executables.run(form, {
    input: JSON.stringify(input),
    env: {
      ...base,
      CNI_COMMAND: command,
      CNI_CONTAINERID: "pod1",
      CNI_NETNS: pod.netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: "/opt/cni/bin",
      ...env,
    },
  });
}

const weir = (...args: string[]) => executables.run([executables.launcher], { args, env: base });
const succeeded = ({ status, stdout, stderr }: Outcome) => assert.is(status, 0, stdout + stderr);

/** What is shaped, asked for in this process: starting another one takes a second in an emulated machine. */
function statuses(): Inspection[] {
  using shaper = Shaper.open({ bpffs, stateDirectory: executables.stateDirectory });
  return shaper.list().map(({ id }) => shaper.inspect(id));
}
const ids = () => statuses().map(({ attachment }) => attachment.id);

test("ADD shapes, CHECK agrees, and DEL leaves the device as it was", () => {
  for (const [tie, form] of [
    ["veth", executables.module],
    ["ipvlan", [executables.launcher]],
  ] as const) {
    using pod = new Pod(executables.folder, "blue", tie);
    const before = pod.state;
    const added = cni("ADD", pod, limited(100_000_000), {}, form);
    succeeded(added);
    assert.equal(JSON.parse(added.stdout), prevResult);
    assert.is(pod.state.qdisc, "fq");
    const [found] = statuses();
    assert.equal(found?.attachment, { id: "pod1/eth0", netns: pod.netns, device: "eth0" });
    assert.equal([found?.healthy, found?.problems], [true, []]);
    assert.is(found?.egress?.bitsPerSecond, 100_000_000n);
    assert.is(found?.ingress?.bitsPerSecond, 50_000_000n);
    const checked = cni("CHECK", pod, limited(100_000_000), {}, form);
    succeeded(checked);
    assert.is(checked.stdout, "");

    // Runtimes send DEL twice, the second one without a namespace.
    const deleted = cni("DEL", pod, limited(100_000_000), {}, form);
    succeeded(deleted);
    assert.is(deleted.stdout, "");
    assert.equal(pod.state, before);
    succeeded(cni("DEL", pod, {}, { CNI_NETNS: "" }, form));
    assert.equal(statuses(), []);
  }
});

test("DEL works with the namespace gone and a configuration that is nonsense", () => {
  const pod = new Pod(executables.folder, "blue", "veth");
  succeeded(cni("ADD", pod, limited(1_000_000)));
  pod[Symbol.dispose]();
  succeeded(cni("DEL", pod, { cniVersion: "x", runtimeConfig: 5 }));
  assert.equal(statuses(), []);
});

test("ADD loads none of Node's own modules that take milliseconds", () => {
  const [report, seen] = ["report.cjs", "modules"].map((name) => join(executables.folder, name)) as [
    string,
    string,
  ];
  writeFileSync(
    report,
    `process.on("exit", () => require("fs").writeFileSync(${JSON.stringify(seen)}, process.moduleLoadList.join("\\n")))`,
  );
  using pod = new Pod(executables.folder, "blue", "ipvlan");
  const program = join(dirname(executables.launcher), "weir.cjs");
  succeeded(cni("ADD", pod, limited(100_000_000), {}, [process.execPath, "--require", report, program]));
  const loaded = readFileSync(seen, "utf8").split("\n");
  assert.ok(loaded.includes("NativeModule fs"));
  const slow = ["net", "stream", "perf_hooks", "child_process", "worker_threads", "crypto"];
  assert.equal(
    slow.filter((name) => loaded.includes(`NativeModule ${name}`)),
    [],
  );
  succeeded(cni("DEL", pod, limited(100_000_000)));
});

test("one direction alone is shaped alone", () => {
  using pod = new Pod(executables.folder, "blue", "veth");
  succeeded(
    cni("ADD", pod, { ...limited(0, 1_000_000), runtimeConfig: { bandwidth: { egressRate: 2_000_000 } } }),
  );
  const [found] = statuses();
  assert.is(found?.egress?.bitsPerSecond, 2_000_000n);
  assert.is(found?.ingress, undefined);
  succeeded(cni("DEL", pod, {}));
});

test("CHECK finds a qdisc that somebody removed, and a limit that is not the configuration's", () => {
  using pod = new Pod(executables.folder, "blue", "veth");
  succeeded(cni("ADD", pod, limited(100_000_000)));
  const differs = cniError(cni("CHECK", pod, limited(90_000_000)));
  assert.is(differs.code, 104);
  assert.match(differs.msg, /egress limit to be 100 Mbit\/s, but the configuration says 90 Mbit\/s/);

  pod.inside((rt, index) => rt.qdiscs.remove({ index, parent: "root" }));
  const damaged = cniError(cni("CHECK", pod, limited(100_000_000)));
  assert.is(damaged.code, 103);
  assert.match(damaged.msg, /^CHECK found the shaping of eth0 in .*blue damaged: /);
  assert.ok(damaged.details);

  succeeded(cni("ADD", pod, limited(100_000_000)));
  succeeded(cni("CHECK", pod, limited(100_000_000)));
  succeeded(cni("DEL", pod, {}));
});

test("an ADD that cannot work says why, and leaves nothing behind", () => {
  using pod = new Pod(executables.folder, "blue", "veth");
  const before = pod.state;
  const refusals: [NodeJS.ProcessEnv, number, RegExp][] = [
    [{ CNI_IFNAME: "eth7" }, 102, /there is no device eth7 in .*blue.*eth0/],
    [{ CNI_NETNS: "/run/netns/no-such" }, 4, /CNI_NETNS.*\/run\/netns\/no-such/],
    [{ WEIR_BPFFS: executables.folder }, 100, new RegExp(executables.folder)],
  ];
  for (const [env, code, message] of refusals) {
    const error = cniError(cni("ADD", pod, limited(100_000_000), env));
    assert.is(error.code, code, error.msg);
    assert.match(error.msg, message);
  }
  pod.inside((rt) => rt.links.set("eth0", { up: false }));
  const down = cniError(cni("ADD", pod, limited(100_000_000)));
  assert.is(down.code, 102);
  assert.match(down.msg, /is down/);
  pod.inside((rt) => rt.links.set("eth0", { up: true }));
  assert.equal(pod.state, before);
  assert.equal(statuses(), []);
});

test("an ADD whose result cannot be printed is taken back", () => {
  using pod = new Pod(executables.folder, "blue", "veth");
  const before = pod.state;
  const full = openSync("/dev/full", "w");
  const { status, stderr } = executables.run([executables.launcher], {
    input: JSON.stringify(limited(100_000_000)),
    env: {
      ...base,
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "pod1",
      CNI_NETNS: pod.netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: "/",
    },
    stdout: full,
  });
  closeSync(full);
  assert.is(status, 1);
  assert.match(stderr, /what ADD did was taken back/);
  assert.equal(pod.state, before);
  assert.equal(statuses(), []);
});

test("GC removes what is gone, and keeps what is valid, another network's or made by hand", () => {
  using kept = new Pod(executables.folder, "kept", "veth");
  using other = new Pod(executables.folder, "other", "veth");
  using hand = new Pod(executables.folder, "hand", "veth");
  const gone = new Pod(executables.folder, "gone", "veth");
  const add = (pod: Pod, CNI_CONTAINERID: string, name = "net") =>
    succeeded(cni("ADD", pod, { ...limited(1_000_000), name }, { CNI_CONTAINERID }));
  add(kept, "kept");
  add(gone, "gone");
  add(other, "other", "another");
  succeeded(weir("apply", "--netns", hand.netns, "--device", "eth0", "--egress", "1M", "--id", "hand"));
  gone[Symbol.dispose]();
  const valid = { "cni.dev/valid-attachments": [{ containerID: "kept", ifname: "eth0" }] };
  const collected = cni("GC", kept, { ...limited(1_000_000), ...valid });
  succeeded(collected);
  assert.is(collected.stdout, "");
  assert.equal(ids(), ["hand", "kept/eth0", "other/eth0"]);
  for (const CNI_CONTAINERID of ["kept", "other"]) succeeded(cni("DEL", kept, {}, { CNI_CONTAINERID }));
  succeeded(weir("remove", "hand"));
});

test("STATUS is silent where pods can be shaped, and an error of code 50 where not", () => {
  const network = { netns: "" };
  const fine = cni("STATUS", network, { cniVersion: "1.1.0", name: "net", type: "weir" });
  succeeded(fine);
  assert.is(fine.stdout, "");
  const env = { WEIR_BPFFS: executables.folder };
  const error = cniError(cni("STATUS", network, { cniVersion: "1.1.0", name: "net", type: "weir" }, env));
  assert.is(error.code, 50);
  assert.match(error.msg, /bpf/);
});

test("the conflist's subnets and aggregate are kept, CHECK compares them, and the command line leaves them", () => {
  using pod = new Pod(executables.folder, "blue", "veth");
  const settings = { unshapedSubnets: ["10.96.0.0/12", "fd00::/8"], aggregate: true };
  succeeded(cni("ADD", pod, { ...limited(100_000_000), ...settings }));
  const [found] = statuses();
  assert.equal(found?.attachment, { id: "pod1/eth0", netns: pod.netns, device: "eth0", aggregate: "pod1" });
  assert.equal(found?.limits.unshapedSubnets, settings.unshapedSubnets);
  assert.equal(found?.problems, []);
  succeeded(cni("CHECK", pod, { ...limited(100_000_000), ...settings }));
  const differs = cniError(cni("CHECK", pod, limited(100_000_000)));
  assert.is(differs.code, 104);
  assert.match(differs.msg, /unshapedSubnets to be 10\.96\.0\.0\/12, fd00::\/8, but .* says none/);
  const place = ["--netns", pod.netns, "--device", "eth0"];
  succeeded(weir("apply", ...place, "--egress", "5M", "--shaped-subnets", "192.0.2.0/24, 2001:db8::/32"));
  const [changed] = statuses();
  assert.is(changed?.attachment.aggregate, "pod1");
  assert.equal(changed?.limits.shapedSubnets, ["192.0.2.0/24", "2001:db8::/32"]);
  assert.is(weir("apply", ...place, "--egress", "5M", "--unshaped-subnets", "10.0.0.0").status, 1);
  succeeded(cni("DEL", pod, {}));
  assert.equal(statuses(), []);
});

test("the command line applies, changes, shows and removes", () => {
  using pod = new Pod(executables.folder, "blue", "ipvlan");
  const before = pod.state;
  const place = ["--netns", pod.netns, "--device", "eth0"];
  const applied = weir("apply", ...place, "--egress", "100M", "--ingress", "1Gi", "--id", "demo/eth0");
  succeeded(applied);
  assert.is(applied.stdout, "demo/eth0: egress 100 Mbit/s, ingress 1.1 Gbit/s\n");
  // Without --id it is the attachment that is there that changes.
  const changed = weir("apply", ...place, "--egress", "64k", "--json");
  succeeded(changed);
  const { id, egress, ingress, healthy } = JSON.parse(changed.stdout);
  assert.equal([id, egress?.bitsPerSecond, ingress, healthy], ["demo/eth0", 64_000, undefined, true]);

  const [heading = "", row = "", ...more] = weir("status").stdout.trimEnd().split("\n");
  assert.match(heading, /^POD +IFACE +DIR +LIMIT +NOW +WAIT +DROPS +MARKS +PACKETS +BYTES +HEALTH$/);
  assert.match(row, /^demo\/eth0 +eth0 +egress +64k +[\d.]+k? +(-|\S+ \S+) +0 +0 +\d+ +[\d.]+ k?B +ok$/);
  assert.equal(more, []);

  pod.inside((rt, index) => rt.qdiscs.remove({ index, parent: "root" }));
  assert.match(weir("status", "demo/eth0").stdout, /DAMAGED\ndemo\/eth0: .*\. Apply the limits again\.\n$/);
  const doctor = weir("doctor");
  assert.match(doctor.stdout, /^fault {2}demo\/eth0: .*\n {7}do: Apply the limits again\.$/m);
  assert.match(doctor.stdout, /1 attachment, 1 with problems/);
  assert.is(doctor.status, 3);

  const removed = weir("remove", ...place);
  succeeded(removed);
  assert.is(removed.stdout, "demo/eth0: no limit any more\n");
  assert.equal(pod.state, before);
  assert.is(weir("remove", ...place).status, 1);
});

test("a device that does not exist is one sentence that lists those that do", () => {
  using pod = new Pod(executables.folder, "blue", "veth");
  const { status, stderr } = weir("apply", "--netns", pod.netns, "--device", "eth7", "--egress", "1M");
  assert.is(status, 1);
  assert.match(stderr, /^weir: there is no device eth7 in [^\n]*eth0[^\n]*\n$/);
});

test("weir gc removes what a namespace that is gone has left", () => {
  const pod = new Pod(executables.folder, "blue", "veth");
  succeeded(weir("apply", "--netns", pod.netns, "--device", "eth0", "--ingress", "1M", "--id", "blue/eth0"));
  pod[Symbol.dispose]();
  assert.is(statuses()[0]?.healthy, false);
  assert.is(weir("gc").stdout, "blue/eth0: removed\n");
  assert.is(weir("gc").stdout, "nothing was left over\n");
});

test("without privileges it says so in one sentence", () => {
  using pod = new Pod(executables.folder, "blue", "veth");
  const { status, stderr } = spawnSync(
    "setpriv",
    [
      "--inh-caps=-all",
      "--bounding-set=-all",
      executables.launcher,
      ...["apply", "--netns", pod.netns, "--device", "eth0", "--egress", "1M"],
    ],
    {
      env: { PATH: process.env.PATH, WEIR_STATE_DIRECTORY: executables.stateDirectory, ...base },
      encoding: "utf8",
    },
  );
  assert.is(status, 1, stderr);
  assert.match(stderr, /^weir: [^\n]*(root|CAP_)[^\n]*\n$/);
});

test("weir serve does the plugin's work, and the plugin does it itself when the server is killed", async () => {
  using pod = new Pod(executables.folder, "blue", "ipvlan");
  const before = pod.state;
  const server = spawn(executables.launcher, ["serve", "--json"], {
    env: { PATH: process.env.PATH, WEIR_STATE_DIRECTORY: executables.stateDirectory, ...base },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  server.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  try {
    await once(server.stdout, "data");
    const added = cni("ADD", pod, limited(100_000_000));
    succeeded(added);
    assert.equal(JSON.parse(added.stdout), prevResult);
    assert.is(pod.state.qdisc, "fq");
    succeeded(cni("CHECK", pod, limited(100_000_000)));
    assert.is(cniError(cni("CHECK", pod, limited(90_000_000))).code, 104);
    const full = openSync("/dev/full", "w");
    const lost = executables.run([executables.launcher], {
      env: {
        ...base,
        CNI_COMMAND: "ADD",
        CNI_CONTAINERID: "pod1",
        CNI_NETNS: pod.netns,
        CNI_IFNAME: "eth0",
        CNI_PATH: "/opt/cni/bin",
      },
      input: JSON.stringify(limited(100_000_000)),
      stdout: full,
    });
    closeSync(full);
    assert.match(lost.stderr, /could not write the result to standard output .*what ADD did was taken back/);
    assert.equal(pod.state, before);
    succeeded(cni("ADD", pod, limited(100_000_000)));
  } finally {
    server.kill("SIGKILL");
    await once(server, "close");
  }
  const calls = printed
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => JSON.parse(line) as { command: string });
  assert.equal(
    calls.map(({ command }) => command),
    ["ADD", "CHECK", "CHECK", "ADD", "ADD"],
  );
  succeeded(cni("CHECK", pod, limited(100_000_000)));
  succeeded(cni("DEL", pod, limited(100_000_000)));
  assert.equal(pod.state, before);
  assert.equal(ids(), []);
});

tests.run();
