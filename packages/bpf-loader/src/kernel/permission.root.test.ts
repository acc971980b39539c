import { execFileSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fixturePath } from "../testing/fixtures.js";

const test = suite("without capabilities");

/** What loading an object says in a process that has all capabilities but these. */
function loadWithout(...dropped: string[]): string {
  const script = `
    import { readFileSync } from "node:fs";
    import { BpfObject } from ${JSON.stringify(new URL("../index.js", import.meta.url).href)};
    try { BpfObject.parse(readFileSync(process.argv[1])).load({ programs: ["shape_lock"] }).close(); console.log("loaded"); }
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

test.run();
