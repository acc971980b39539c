import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfLink, BpfProgram, type LinkInfo } from "../index.js";
import { counting, ip } from "../testing/attach.js";
import { needs, temporaryBpffs, temporaryNamespace, testWith } from "../testing/kernel.js";

const test = suite("links beside bpftool");

/** What bpftool says about a link. */
function shown(info: LinkInfo): Record<string, unknown> {
  const text = execFileSync("bpftool", ["-j", "link", "show", "id", String(info.id)], { encoding: "utf8" });
  return JSON.parse(text) as Record<string, unknown>;
}

test("a raw tracepoint is that which bpftool shows", () => {
  using counter = counting("raw_tracepoint");
  using link = counter.program.attach();
  const { info } = link;
  const theirs = shown(info);
  assert.is(info.type, "raw_tracepoint");
  assert.equal(
    [theirs.type, theirs.prog_id, theirs.tp_name],
    [info.type, info.programId, info.type === "raw_tracepoint" && info.tracepoint],
  );
});

test("a network namespace is that which bpftool shows", () => {
  using netns = temporaryNamespace();
  using counter = counting("sk_lookup_pass");
  using link = counter.program.attachNetns({ netns: netns.path });
  const { info } = link;
  const theirs = shown(info);
  assert.equal(
    [theirs.type, theirs.prog_id, theirs.netns_ino, theirs.attach_type],
    [
      "netns",
      info.programId,
      info.type === "netns" && info.netnsInode,
      info.type === "netns" && info.attachType,
    ],
  );
});

test("an iterator is that which bpftool shows", () => {
  using counter = counting("iterate_tasks");
  using link = counter.program.attachIterator();
  const { info } = link;
  const theirs = shown(info);
  assert.equal(
    [theirs.type, theirs.prog_id, theirs.target_name],
    ["iter", info.programId, info.type === "iter" && info.target],
  );
});

testWith(test, needs.trampolines, "a tracing link is that which bpftool shows", () => {
  using counter = counting("fentry");
  using link = counter.program.attach();
  const { info } = link;
  const theirs = shown(info);
  const ours = [info.type, info.programId, info.type === "tracing" && info.attachType];
  assert.equal(ours, [theirs.type, theirs.prog_id, theirs.attach_type]);
  const { attachBtfId } = counter.program.info;
  // Programs tell since 5.17, links since 5.13.
  if (attachBtfId !== 0) assert.is(info.type === "tracing" && info.targetBtfId, attachBtfId);
});

test("links and programs are those that bpftool lists", () => {
  using netns = temporaryNamespace();
  using counter = counting("sk_lookup_pass");
  using link = counter.program.attachNetns({ netns: netns.path });
  const ids = (what: string) =>
    (JSON.parse(execFileSync("bpftool", ["-j", what, "show"], { encoding: "utf8" })) as { id: number }[]).map(
      ({ id }) => id,
    );
  // Others come and go while this looks.
  const ours = [...BpfLink.ids()];
  const both = ids("link").filter((id) => ours.includes(id));
  assert.ok(both.includes(link.info.id));
  const programs = [...BpfProgram.ids()];
  assert.ok(
    ids("prog")
      .filter((id) => programs.includes(id))
      .includes(counter.program.info.id),
  );
  assert.equal(
    [...programs].sort((a, b) => a - b),
    programs,
  );
});

test("a pinned link outlives whoever attached it, and is opened, changed and ended by another", () => {
  using bpffs = temporaryBpffs();
  using netns = temporaryNamespace();
  using counter = counting("xdp_pass");
  using other = counting("xdp_tx");
  const path = join(bpffs.path, "link");
  const link = counter.program.attachXdp({ ifindex: 1, netns: netns.path, mode: "generic" });
  link.pin(path);
  link.close();
  assert.match(ip(netns.path, "link", "show", "lo"), "xdpgeneric");
  using opened = BpfLink.open(path);
  assert.is(opened.info.programId, counter.program.info.id);
  opened.update(other.program);
  assert.is(opened.info.programId, other.program.info.id);
  opened.detach();
  assert.not.match(ip(netns.path, "link", "show", "lo"), "xdpgeneric");
  assert.throws(() => BpfProgram.open(path), /What is pinned there is a link/);
});

test.run();
