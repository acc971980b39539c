import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fixturePath } from "../testing/fixtures.js";
import { kernelBefore } from "./call.js";

const test = suite("without capabilities");

/** What loading an object says in a process that has all capabilities but these. */
function loadWithout(...dropped: string[]): string {
  return sayWithout(
    dropped,
    'BpfObject.parse(readFileSync(process.argv[1])).load({ programs: ["shape_lock"] }).close();',
  );
}

/** What a piece of code says in a process that has all capabilities but these. */
function sayWithout(dropped: string[], code: string): string {
  const script = `
    import { readFileSync } from "node:fs";
    import { BpfLink, BpfObject, BpfProgram, features } from ${JSON.stringify(new URL("../index.js", import.meta.url).href)};
    const tiny = (type) => BpfProgram.load({ name: "tiny", type, license: "GPL",
      instructions: Uint8Array.of(0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0) });
    try { ${code} console.log("loaded"); }
    catch (error) { console.log(error.code + " " + error.message); }`;
  const set = dropped.map((name) => `-${name}`).join(",");
  const node = [
    process.execPath,
    "--no-warnings",
    "--input-type=module",
    "-e",
    script,
    fixturePath("shape").pathname,
  ];
  return execFileSync("setpriv", [`--bounding-set=${set}`, `--inh-caps=${set}`, ...node], {
    encoding: "utf8",
  });
}

test("with all of them the object loads", () => {
  assert.is(loadWithout("sys_boot"), "loaded\n");
});

test("the capability that is missing is named", () => {
  const said = loadWithout("sys_admin", "bpf", "perfmon", "net_admin");
  assert.match(said, /^EPERM /);
  // CAP_BPF came with Linux 5.8.
  assert.match(said, /The capability CAP_BPF.* is missing/);
});

test("CAP_BPF alone is not enough for a network program", () => {
  const said = loadWithout("sys_admin", "net_admin");
  assert.match(said, /^EPERM could not load program "shape_lock": .*The capability CAP_NET_ADMIN is missing/);
});

test("addresses that the kernel hides are told apart from symbols that it lacks", () => {
  const path = JSON.stringify(fixturePath("externs").pathname);
  const load = `BpfObject.parse(readFileSync(${path})).load({ programs: ["symbols"] }).close();`;
  assert.match(
    sayWithout(["syslog"], load),
    /^BPF_EXTERN the kernel hides the address of "bpf_map_put": take CAP_SYSLOG/,
  );
});

test("programs that watch the kernel take CAP_PERFMON", () => {
  const said = sayWithout(["sys_admin", "perfmon"], 'tiny("tracepoint").close();');
  assert.match(said, kernelBefore(5, 8) ? /CAP_SYS_ADMIN/ : /^EPERM .*The capability CAP_PERFMON is missing/);
});

test("a machine that lets nobody load anything says which setting that is", () => {
  const said = sayWithout(["sys_admin", "bpf", "net_admin", "perfmon"], 'tiny("socket_filter").close();');
  if (readFileSync("/proc/sys/kernel/unprivileged_bpf_disabled", "latin1").trim() === "0") return;
  assert.match(said, /The capability CAP_BPF is missing.*kernel\.unprivileged_bpf_disabled is [12]/);
});

test("what others have loaded is for CAP_SYS_ADMIN alone", () => {
  assert.match(sayWithout(["sys_admin"], "[...BpfProgram.ids()];"), /^EPERM .*CAP_SYS_ADMIN is missing/);
  assert.match(sayWithout(["sys_admin"], "BpfLink.openById(1);"), /^EPERM .*CAP_SYS_ADMIN is missing/);
});

test("who may not ask for features is told so", () => {
  const said = sayWithout(["sys_admin", "bpf", "net_admin", "perfmon"], 'features.programType("xdp");');
  assert.match(said, /^EPERM could not probe the kernel's BPF features: .*CAP_BPF/);
});

test.run();
