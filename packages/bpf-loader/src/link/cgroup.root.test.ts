import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type LegacyLink, queryPrograms } from "../index.js";
import { counting } from "../testing/attach.js";
import { needs, testWith, testWithout } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("attaching to cgroups");

/** A cgroup of its own. */
function temporaryCgroup(): Disposable & { readonly path: string } {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const root = mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")?.[1];
  assert.ok(root, "cgroup2 is mounted nowhere");
  const path = mkdtempSync(join(root!, "weir-bpf-"));
  return {
    path,
    [Symbol.dispose]() {
      rmdirSync(path);
    },
  };
}

/** Lets a process of the cgroup send a packet; whether it could. */
function sendsFrom(cgroup: string): boolean {
  const script = 'echo $$ > "$0/cgroup.procs" && echo hello > /dev/udp/127.0.0.1/9';
  return spawnSync("bash", ["-c", script, cgroup], { stdio: "ignore" }).status === 0;
}

test("a program of a cgroup handles what its processes send, and says no", () => {
  using cgroup = temporaryCgroup();
  using counter = counting("cgroup_skb_allow");
  {
    using link = counter.program.attachCgroup(cgroup.path);
    assert.ok(sendsFrom(cgroup.path));
    assert.ok(counter.hits() > 0);
    const { info } = link;
    assert.equal(
      [info.type, info.programId, (info as { attachType?: string }).attachType],
      ["cgroup", counter.program.info.id, "cgroup_inet_egress"],
    );
    using denying = counting("cgroup_skb_deny");
    link.update(denying.program, { expected: counter.program });
    assert.not.ok(sendsFrom(cgroup.path));
    assert.is(denying.hits(), 1);
    assert.throws(() => link.update(counter.program, { expected: counter.program }), /EPERM/);
  }
  const before = counter.hits();
  assert.ok(sendsFrom(cgroup.path));
  assert.is(counter.hits(), before);
});

test("programs of addresses refuse a connection", () => {
  using cgroup = temporaryCgroup();
  using allow = counting("cgroup_connect_allow");
  using deny = counting("cgroup_connect_deny");
  using first = allow.program.attachCgroup(cgroup.path);
  assert.ok(sendsFrom(cgroup.path));
  using second = deny.program.attachCgroup(cgroup.path);
  assert.not.ok(sendsFrom(cgroup.path));
  assert.equal([allow.hits() > 0, deny.hits()], [true, 1]);
  const { programs } = queryPrograms({ cgroup: cgroup.path, attachType: "cgroup_inet4_connect" });
  assert.equal(
    programs.map(({ programId }) => programId),
    [first, second].map(({ info }) => info.programId),
  );
  second.detach();
  assert.ok(sendsFrom(cgroup.path));
});

test("without a link a program stays until it is detached, and is replaced in its place", () => {
  using cgroup = temporaryCgroup();
  using allow = counting("cgroup_skb_allow");
  using deny = counting("cgroup_skb_deny");
  const query = () =>
    queryPrograms({ cgroup: cgroup.path, attachType: "cgroup_inet_egress" }).programs.map(
      ({ programId }) => programId,
    );
  using attached = allow.program.attachCgroup(cgroup.path, { link: false }) as LegacyLink;
  assert.ok(sendsFrom(cgroup.path));
  assert.ok(allow.hits() > 0);
  attached.update(deny.program);
  assert.equal(query(), [deny.program.info.id]);
  assert.not.ok(sendsFrom(cgroup.path));
  using replacing = allow.program.attachCgroup(cgroup.path, { link: false, replace: deny.program });
  assert.equal(query(), [allow.program.info.id]);
  // What it attached is no longer there to be taken away.
  attached.close();
  assert.equal(query(), [allow.program.info.id]);
  replacing.detach();
  assert.equal(query(), []);
});

test("a cgroup that takes one program alone refuses those of the cgroups below", () => {
  using cgroup = temporaryCgroup();
  using counter = counting("cgroup_skb_allow");
  using other = counting("cgroup_skb_allow");
  using attached = counter.program.attachCgroup(cgroup.path, { link: false, mode: "none" });
  assert.is(queryPrograms({ cgroup: cgroup.path, attachType: "cgroup_inet_egress" }).attachFlags, 0);
  assert.throws(() => other.program.attachCgroup(cgroup.path), /EPERM/);
  attached.update(other.program);
  assert.ok(sendsFrom(cgroup.path));
  assert.ok(other.hits() > 0);
  assert.throws(() => counter.program.attachCgroup(cgroup.path, { mode: "none" }), /give link: false/);
});

/** Whether a cgroup counts the changes of its programs, which came with their order. Stable kernels have it too: 6.12.117. */
function hasOrder(): boolean {
  using cgroup = temporaryCgroup();
  return queryPrograms({ cgroup: cgroup.path, attachType: "cgroup_inet_egress" }).revision > 0n;
}

const order = { name: "order among the programs of a cgroup", since: [6, 17], has: hasOrder } as const;

testWith(test, order, "programs of a cgroup run in the order that was asked for", () => {
  using cgroup = temporaryCgroup();
  using first = counting("cgroup_skb_allow");
  using second = counting("cgroup_skb_allow");
  using link = second.program.attachCgroup(cgroup.path);
  const place = { cgroup: cgroup.path, attachType: "cgroup_inet_egress" } as const;
  const { revision } = queryPrograms(place);
  assert.ok(revision > 0n);
  using before = first.program.attachCgroup(cgroup.path, { before: link, expectedRevision: revision });
  const found = queryPrograms(place);
  assert.equal(
    found.programs.map(({ programId }) => programId),
    [before, link].map(({ info }) => info.programId),
  );
  assert.ok(found.revision > revision);
  assert.throws(
    () => first.program.attachCgroup(cgroup.path, { after: "all", expectedRevision: revision }),
    /ESTALE/,
  );
});

testWithout(test, order, "a kernel without an order of programs says so", () => {
  using cgroup = temporaryCgroup();
  using counter = counting("cgroup_skb_allow");
  using link = counter.program.attachCgroup(cgroup.path);
  using other = counting("cgroup_skb_allow");
  const error = thrown(() => other.program.attachCgroup(cgroup.path, { before: link }));
  assert.is((error as { since?: string }).since, "6.17");
});

test("a folder that is no cgroup is refused with its path", () => {
  using counter = counting("cgroup_skb_allow");
  assert.throws(() => counter.program.attachCgroup("/nowhere"), /open the cgroup \/nowhere: .*ENOENT/);
  assert.match(thrown(() => counter.program.attachCgroup("/tmp")).message, /cgroup \/tmp: .*EBADF/);
});

testWith(test, needs.lsmCgroup, "an LSM program of a cgroup is asked", () => {
  using cgroup = temporaryCgroup();
  using counter = counting("lsm_cgroup");
  using link = counter.program.attachCgroup(cgroup.path);
  const script =
    'echo $$ > "$0/cgroup.procs" && exec "$1" -e \'require("dgram").createSocket("udp4").bind(0, () => process.exit())\'';
  spawnSync("bash", ["-c", script, cgroup.path, process.execPath]);
  assert.ok(counter.hits() > 0);
  assert.is(link.info.type, "cgroup");
});

test.run();
