import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Rtnetlink } from "@weir/netlink";
import { checkRequirements, Shaper } from "@weir/shaper";
import { mountBpffs, unmount } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Executables } from "../testing/executables.js";
import { Pod } from "../testing/pod.js";
import { hasTmux, Terminal } from "../testing/tmux.js";

const executables = new Executables();
const bpffs = join(executables.folder, "bpffs");
const env = {
  WEIR_BPFFS: bpffs,
  WEIR_STATE_DIRECTORY: executables.stateDirectory,
  WEIR_NODE: process.execPath,
};
const weir = executables.launcher;

const tests = suite("screens of a node with shaped pods");
const missing = checkRequirements().filter(({ ok, required, name }) => required && !ok && name !== "bpffs");
const lacking = [...missing.map(({ name }) => name), ...(hasTmux() ? [] : ["tmux"])];
// In the kernel VM nothing may be missing, so that a test that fails there is seen.
const skipped = lacking.length > 0 && !process.env.WEIR_VM;
if (skipped) console.log(`skipped here, for want of ${lacking.join(", ")}; the kernel VM runs these tests`);
const test = (name: string, work: () => void | Promise<void>) =>
  skipped ? tests.skip(name, work) : tests(name, work);

const name = "checkout-service-7f9c6d5b4-x2k9p";
let pod: Pod;
tests.before(() => {
  if (skipped) return;
  executables.build();
  mkdirSync(bpffs);
  mountBpffs(bpffs);
  pod = new Pod(executables.folder, "blue", "ipvlan");
  pod.inside((rt, index) => rt.addresses.add({ index, address: "10.77.0.1/24" }));
  using shaper = Shaper.open({ bpffs, stateDirectory: executables.stateDirectory });
  const limit = { bitsPerSecond: 1_000_000n, horizonMs: 1000 };
  const identity = { namespace: "production", name };
  const id = `${"0123456789abcdef".repeat(4)}/eth0`;
  shaper.apply({ id, netns: pod.netns, device: "eth0", pod: identity }, { egress: limit, ingress: limit });
});
tests.after(() => {
  if (skipped) return;
  pod[Symbol.dispose]();
  unmount(bpffs);
  executables.remove();
});

/** Sends datagrams from inside the pod until it is disposed. */
function sending(): Disposable {
  const script = `
    const socket = require("dgram").createSocket("udp4");
    socket.bind(() => {
      socket.setBroadcast(true);
      setInterval(() => { for (let i = 0; i < 3; i++) socket.send(Buffer.alloc(1000), 9, "10.77.0.255"); }, 20);
    });`;
  const child = spawn("nsenter", [`--net=${pod.netns}`, process.execPath, "-e", script], { stdio: "ignore" });
  return { [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

/** Sends SIGTERM to the process of this test's executable that runs a command. */
function terminate(command: string): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const [, script, first] = commandLine(pid);
    if (script === join(dirname(weir), "weir.cjs") && first === command) process.kill(Number(pid), "SIGTERM");
  }
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

const isSane = async (terminal: Terminal) => {
  terminal.type("stty -a; echo done");
  const lines = await terminal.shows(/^done$/m);
  assert.match(lines.join(" "), / icanon .* echo /s);
};

test("status fits 80 columns, and says more at 200", async () => {
  using _traffic = sending();
  using narrow = await Terminal.open(80, 24, env);
  narrow.type(`${weir} status`);
  const lines = await narrow.shows(/ingress .*ok/);
  const at = lines.findIndex((line) => line.startsWith("POD "));
  assert.match(lines[at]!, /^POD +IFACE {2}DIR +LIMIT +NOW( +WAIT)? +DROPS {2}MARKS( +PACKETS)? +HEALTH$/);
  assert.match(lines[at + 1]!, /^production\/\S*…\S*x2k9p +eth0 +egress +1M +[\d.]+[kM] .* ok$/);
  assert.match(lines[at + 2]!, /^production\/\S*…\S*x2k9p +eth0 +ingress +1M +[\d.]+[kM]? .* ok$/);
  using wide = await Terminal.open(200, 24, env);
  wide.type(`${weir} status`);
  const more = (await wide.shows(/ingress .*ok/)).join("\n");
  assert.match(more, /^POD .* WAIT .* PACKETS +BYTES +HEALTH +ID$/m);
  assert.match(more, new RegExp(`^production/${name} +eth0 +egress .* ok +0123456789abcdef.*/eth0$`, "m"));
});

test("top follows the terminal's size and keys, and gives the screen back", async () => {
  using _traffic = sending();
  using terminal = await Terminal.open(80, 24, env);
  terminal.type("echo before");
  await terminal.shows(/^before$/m);
  terminal.type(`${weir} top --interval 0.5`);
  const lines = await terminal.shows(/egress +1M +[\d.]+[kM] .* ok/);
  assert.match(lines[0]!, /^weir top +\d\d:\d\d:\d\d +1 attachments, all healthy/);
  assert.match(lines.at(-1)!, /^q quit .* sort by NOW ↓/);
  assert.match(lines[2]!, /^POD +IFACE/);
  assert.is(lines.length, 24);
  terminal.press("d");
  await terminal.shows(/sort by DROPS ↓/);
  terminal.press("r");
  await terminal.shows(/sort by DROPS ↑/);
  terminal.press("Left");
  await terminal.shows(/sort by WAIT ↓/);
  terminal.resize(200, 40);
  const wide = await terminal.shows(/PACKETS +BYTES +HEALTH +ID/);
  assert.ok(wide.some((line) => line.includes(`production/${name} `)));
  terminal.resize(64, 10);
  await terminal.shows(/^weir top.*\n\nPOD +IFACE .*HEALTH\n/);
  terminal.resize(80, 24);
  terminal.press("q");
  await terminal.shows(/^before$/m);
  await isSane(terminal);
});

test("top gives the screen back on Ctrl-C, and when it is ended by SIGTERM", async () => {
  for (const end of ["C-c", "SIGTERM"] as const) {
    using terminal = await Terminal.open(80, 24, env);
    terminal.type(`echo before; ${weir} top; echo status $?`);
    await terminal.shows(/^weir top/m);
    if (end === "C-c") terminal.press(end);
    else terminate("top");
    const lines = await terminal.shows(/^status 0$/m);
    assert.ok(lines.includes("before"), lines.join("\n"));
    await isSane(terminal);
  }
});

test("doctor's table fits 80 columns, and names what is damaged with what to do", async () => {
  {
    using rt = Rtnetlink.open({ netns: pod.netns });
    rt.qdiscs.remove({ index: rt.links.get("eth0").index, parent: "root" });
  }
  using terminal = await Terminal.open(80, 50, env);
  terminal.type(`${weir} doctor; echo status $?`);
  const lines = await terminal.shows(/^status \d$/m);
  const text = lines.join("\n");
  assert.match(text, /^REQUIREMENT +THERE +DETAIL$/m);
  assert.match(text, /^fault {2}production\/checkout-service-7f9c6d5b4-x2k9p eth0: /m);
  assert.match(text, /do: Apply the limits again\.$/m);
  assert.match(text, /^1 attachment, 1 with problems\.$/m);
  assert.match(text, /^status 3$/m);
  // A line of the table that did not fit would go on in the next one.
  const rows = lines.slice(lines.findIndex((line) => line.startsWith("REQUIREMENT")) + 1);
  for (const row of rows.slice(0, rows.indexOf(""))) assert.match(row, /^\S.* (yes|NO|no \(optional\)) /);
  using shaper = Shaper.open({ bpffs, stateDirectory: executables.stateDirectory });
  const [record] = shaper.list();
  shaper.apply(record!, record!.limits);
});

test("trace shows how long packets wait, as a picture and as JSON, and leaves nothing", async () => {
  using _traffic = sending();
  const before = pod.everything;
  using terminal = await Terminal.open(80, 70, env);
  terminal.type(`${weir} trace ${name} --seconds 3; echo status $?`);
  const lines = await terminal.shows(/^status \d$/m);
  const text = lines.join("\n");
  assert.match(text, /^production\/checkout-service-7f9c6d5b4-x2k9p eth0: \d+\.\d s, every packet$/m);
  assert.match(text, /^egress {2}limit 1 Mbit\/s, \S+ [kM]bit\/s passed$/m);
  assert.match(text, /^ +\d+ - \d+ ms +\d+ {2}█/m);
  assert.match(text, /^ {2}\d+ packets {2}p50 .* p99 .* longest /m);
  assert.match(text, /\d+ packets let through, \d+ dropped.*, \d+ marked/);
  assert.match(text, /^ingress {2}limit 1 Mbit\/s/m);
  assert.match(text, /^status 0$/m);
  for (const line of lines) assert.ok(line.length <= 80);
  assert.equal(pod.everything, before);

  const args = ["trace", "--netns", pod.netns, "--seconds", "1", "--json"];
  const { status, stdout, stderr } = executables.run([weir], { args, env });
  assert.is(status, 0, stderr);
  const report = JSON.parse(stdout);
  assert.is(report.pod.name, name);
  assert.ok(report.egress.samples > 0);
  // More is sent than the limit lets through: packets wait up to the horizon.
  assert.ok(report.egress.p99Ns > 1e6 && report.egress.p99Ns < 3e9, stdout);
  assert.is(report.lost, 0);
});

tests.run();
