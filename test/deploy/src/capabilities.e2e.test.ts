import { spawnSync } from "node:child_process";
import { release } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { root } from "./root.js";

const weir = join(root, "packages/cni-plugin/bundle/weir");
const [UPLINK, POD] = ["weircap0", "weircap"];

/** What the chart's agent has: no other capability of root's, CAP_DAC_OVERRIDE and CAP_SYS_PTRACE among them. */
const held = ["sys_admin", "net_admin"];
/** Maps count as locked memory before Linux 5.11, and the limit of that has to be raised. */
if (/^5\.10\./.test(release())) held.push("sys_resource");

function ip(...args: string[]) {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  assert.is(status, 0, stderr);
}

function confined(capabilities: readonly string[], ...args: string[]) {
  const set = ["-all", ...capabilities.map((name) => `+${name}`)].join(",");
  const options = [`--bounding-set=${set}`, "--inh-caps=-all", "--no-new-privs", "--"];
  // As much locked memory as runtimes give a container.
  const limited = ["--memlock=65536:65536", "setpriv", ...options, weir, ...args];
  return spawnSync("prlimit", limited, { encoding: "utf8" });
}

test.before(() => {
  ip("link", "add", UPLINK, "type", "dummy");
  ip("link", "set", UPLINK, "up");
  ip("netns", "add", POD);
  ip("link", "add", "link", UPLINK, "name", "eth0", "netns", POD, "type", "ipvlan", "mode", "l2");
  ip("-n", POD, "link", "set", "eth0", "up");
});

test.after(() => {
  spawnSync(weir, ["remove", `${POD}/eth0`]);
  ip("netns", "del", POD);
  ip("link", "del", UPLINK);
});

test("the capabilities of the chart's agent are enough to shape, look, change and take away", () => {
  const doctor = confined(held, "doctor", "--json");
  const missing = JSON.parse(doctor.stdout).requirements.filter((one: { ok: boolean; required: boolean }) => {
    return one.required && !one.ok;
  });
  assert.equal(missing, [], doctor.stderr);
  for (const rate of ["100M", "50M"]) {
    const limits = ["--egress", rate, "--ingress", rate];
    const { status, stderr } = confined(held, "apply", "--netns", POD, "--device", "eth0", ...limits);
    assert.is(status, 0, stderr);
  }
  const status = confined(held, "status", `${POD}/eth0`, "--json");
  assert.is(status.status, 0, status.stderr);
  const shown = JSON.parse(status.stdout);
  assert.is(shown.healthy, true, status.stdout);
  assert.match(status.stdout, /50000000/);
  const removed = confined(held, "remove", `${POD}/eth0`);
  assert.is(removed.status, 0, removed.stderr);
});

// CAP_SYS_RESOURCE is missed only by who loads what is not pinned yet.
for (const lacking of ["sys_admin", "net_admin"]) {
  test(`without ${lacking} there is one sentence about it, and who has it can clean up`, () => {
    const rest = held.filter((name) => name !== lacking);
    const { status, stderr } = confined(rest, "apply", "--netns", POD, "--device", "eth0", "--egress", "1M");
    assert.is(status, 1, "it worked");
    assert.match(stderr, /^weir: /);
    // What it could not take back either is known as unfinished.
    spawnSync(weir, ["remove", `${POD}/eth0`]);
    const all = spawnSync(weir, ["status", "--json"], { encoding: "utf8" });
    assert.equal(JSON.parse(all.stdout), []);
  });
}

test.run();
