import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BpfMap } from "@weir/bpf-loader";
import { checkRequirements, Shaper } from "@weir/shaper";
import { FileLock, MountFlag, mount, mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Command } from "./cni/environment.js";
import { CniError } from "./cni/errors.js";
import { answer } from "./cni/plugin.js";
import { Executables } from "./testing/executables.js";
import { Pod } from "./testing/pod.js";

// What docs/faults.md says of each fault is tried here.

const executables = new Executables();
const bpffs = join(executables.folder, "bpffs");
const { stateDirectory } = executables;
const attachments = join(stateDirectory, "attachments");
const pins = join(bpffs, "weir");
const options = { bpffs, stateDirectory, lockTimeoutMs: 0 };

const tests = suite("weir and what goes wrong");
tests.before(() => {
  mkdirSync(bpffs);
  mkdirSync(stateDirectory);
  mountBpffs(bpffs);
});
tests.after.each(() => {
  // Whatever a test left shaped, the next one begins with nothing.
  rmSync(stateDirectory, { recursive: true, force: true });
  mkdirSync(stateDirectory);
  unmount(bpffs);
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
const test = (name: string, work: () => void) => (skipped ? tests.skip(name, work) : tests(name, work));

/** The plugin's configuration for a pod; GC finds the pod "other" valid in it. */
const input = JSON.stringify({
  cniVersion: "1.1.0",
  name: "net",
  type: "weir",
  prevResult: { cniVersion: "1.1.0", interfaces: [{ name: "eth0" }], ips: [{ address: "10.1.0.5/16" }] },
  runtimeConfig: { bandwidth: { egressRate: 5_000_000, ingressRate: 7_000_000 } },
  "cni.dev/valid-attachments": [{ containerID: "other", ifname: "eth0" }],
});

/** Calls the plugin in this process, which is what a process of its own does but for the start of Node.js. */
function call(command: Command, pod: Pod, containerId = "pod"): void {
  answer({ environment: { command, containerId, netns: pod.netns, ifname: "eth0" }, input, options });
}

/** Calls it and expects an error of a code, whose message says what and what to do. */
function refused(command: Command, pod: Pod, code: number, says: RegExp): void {
  try {
    call(command, pod);
  } catch (error) {
    assert.instance(error, CniError);
    const { message } = error as CniError;
    assert.is((error as CniError).code, code, message);
    assert.match(message, says);
    return;
  }
  assert.unreachable(`${command} succeeded`);
}

function withPod(work: (pod: Pod, pristine: unknown) => void): void {
  using pod = new Pod(executables.folder, "pod", "ipvlan");
  work(pod, pod.everything);
}

/** A fault of a shaped pod, which CHECK finds, ADD mends, and DEL takes away with everything else. */
function mends(name: string, says: RegExp, damage: (pod: Pod) => void): void {
  test(`${name}: CHECK says so, ADD mends it, and DEL leaves nothing`, () =>
    withPod((pod, pristine) => {
      call("ADD", pod);
      damage(pod);
      refused("CHECK", pod, 103, says);
      call("ADD", pod);
      call("CHECK", pod);
      damage(pod);
      call("DEL", pod);
      assert.equal(pod.everything, pristine);
      call("DEL", pod);
    }));
}

mends("the fq qdisc removed inside the pod", /has a noqueue root qdisc.*Apply the limits again\.$/, (pod) =>
  pod.inside((rt, index) => rt.qdiscs.remove({ index, parent: "root" })),
);

mends(
  "the clsact qdisc with all filters removed inside the pod",
  /has no filter.*Apply the limits again\.$/,
  (pod) => pod.inside((rt, index) => rt.qdiscs.remove({ index, parent: "clsact" })),
);

mends("the ifb device removed inside the pod", /is gone\. Apply the limits again\.$/, (pod) =>
  pod.inside((rt) => {
    for (const { name, kind } of [...rt.links.dump()]) if (kind === "ifb") rt.links.remove(name);
  }),
);

mends(
  "every pin removed by hand",
  /pinned program or maps in .* are gone\. Apply the limits again\.$/,
  () => {
    for (const name of readdirSync(pins)) rmSync(join(pins, name), { recursive: true });
  },
);

for (const pin of ["limits", "shape"]) {
  mends(
    `the pin ${pin} removed by hand`,
    /pinned program or maps in .* are gone\. Apply the limits again\.$/,
    () => unlinkSync(join(pins, pin)),
  );
}

test("bpffs unmounted before ADD: code 100 says how to mount it, and DEL succeeds", () =>
  withPod((pod, pristine) => {
    unmount(bpffs);
    try {
      refused("ADD", pod, 100, /no BPF filesystem is mounted at .*Mount one: mount -t bpf bpf /);
      assert.equal(pod.everything, pristine);
      refused("STATUS", pod, 50, /bpffs: not mounted at .*mount -t bpf bpf /);
      call("DEL", pod);
    } finally {
      mountBpffs(bpffs);
    }
  }));

test("bpffs unmounted under a pod: CHECK says so, STATUS says 51, DEL leaves nothing, and ADD mends it once it is mounted", () =>
  withPod((pod, pristine) => {
    call("ADD", pod);
    unmount(bpffs);
    try {
      refused("CHECK", pod, 103, /pinned program or maps in .* are gone/);
      refused("STATUS", pod, 51, /bpffs: not mounted/);
      refused("ADD", pod, 100, /mount -t bpf bpf /);
    } finally {
      mountBpffs(bpffs);
    }
    call("ADD", pod);
    call("CHECK", pod);
    unmount(bpffs);
    try {
      call("DEL", pod);
      assert.equal(pod.everything, pristine);
    } finally {
      mountBpffs(bpffs);
    }
  }));

/** Runs something with another filesystem at the state folder. */
function withState(data: string, work: () => void, flags = 0): void {
  mount({ source: "tmpfs", target: stateDirectory, type: "tmpfs", data, flags });
  try {
    work();
  } finally {
    unmount(stateDirectory);
  }
}

/** Leaves no byte on the state folder's filesystem. */
function fill(): void {
  for (let part = 0; ; part++) {
    try {
      writeFileSync(join(stateDirectory, `filler${part}`), new Uint8Array(4096));
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, "ENOSPC");
      return;
    }
  }
}

test("the state folder full: ADD is code 5 and changes nothing, CHECK and DEL work", () =>
  withPod((pod, pristine) =>
    withState("size=64k", () => {
      call("ADD", pod);
      const shaped = pod.everything;
      fill();
      call("CHECK", pod);
      assert.equal(pod.everything, shaped);
      call("DEL", pod);
      assert.equal(pod.everything, pristine);
      fill();
      refused("ADD", pod, 5, /could not write the record .*ENOSPC.*not full/);
      assert.equal(pod.everything, pristine);
      call("DEL", pod);
      using shaper = Shaper.open(options);
      assert.equal(shaper.gc(), { removed: [], problems: [] });
    }),
  ));

test("the state folder full before the first ADD: code 5 says so", () =>
  withPod((pod, pristine) =>
    withState("size=4k,nr_inodes=2", () => {
      refused("ADD", pod, 5, /ENOSPC.*not full/);
      assert.equal(pod.everything, pristine);
      call("DEL", pod);
    }),
  ));

test("the state folder read-only: ADD and DEL are code 5 and change nothing, and CHECK works", () =>
  withPod((pod) =>
    withState("size=64k", () => {
      call("ADD", pod);
      const shaped = pod.everything;
      mount({ source: "", target: stateDirectory, type: "", flags: REMOUNT | MountFlag.RDONLY });
      call("CHECK", pod);
      refused("ADD", pod, 5, /EROFS.*writable/);
      refused("DEL", pod, 5, /EROFS.*writable/);
      assert.equal(pod.everything, shaped);
      refused("STATUS", pod, 50, /state: .* cannot be written/);
      mount({ source: "", target: stateDirectory, type: "", flags: REMOUNT });
      call("DEL", pod);
    }),
  ));

/** MS_REMOUNT of include/uapi/linux/mount.h. */
const REMOUNT = 32;

test("the state folder wiped: CHECK is code 3, ADD takes the pod over, and DEL leaves nothing that shapes", () =>
  withPod((pod) => {
    call("ADD", pod);
    rmSync(attachments, { recursive: true });
    refused("CHECK", pod, 3, /delete the pod and let it be made again/);
    call("ADD", pod);
    call("CHECK", pod);
    call("DEL", pod);
    const { qdisc, devices } = pod.state;
    assert.equal([qdisc, devices.filter((name) => name.startsWith("weir"))], ["noqueue", []]);
    using shaper = Shaper.open(options);
    // The entries that the lost record spoke of.
    assert.is(shaper.gc().problems.length, 0);
    assert.equal(shaper.gc(), { removed: [], problems: [] });
  }));

test("the state folder wiped and the pod deleted: DEL succeeds, and GC frees what nobody speaks of", () => {
  const pod = new Pod(executables.folder, "pod", "ipvlan");
  call("ADD", pod);
  rmSync(attachments, { recursive: true });
  call("DEL", pod);
  pod[Symbol.dispose]();
  call("GC", pod);
  using shaper = Shaper.open(options);
  assert.equal(shaper.gc(), { removed: [], problems: [] });
});

test("a record damaged on disk: ADD and CHECK are code 5 and name the remedy, and DEL removes it", () =>
  withPod((pod) => {
    call("ADD", pod);
    const [record = ""] = readdirSync(attachments);
    writeFileSync(join(attachments, record), '{"version":1,"id":');
    refused("CHECK", pod, 5, /is damaged: .*`weir gc` removes it/);
    refused("ADD", pod, 5, /is damaged: .*`weir gc` removes it/);
    call("DEL", pod);
    assert.equal(readdirSync(attachments), []);
  }));

test("the namespace gone: ADD is code 4, CHECK says so, DEL and GC succeed", () => {
  const pod = new Pod(executables.folder, "pod", "ipvlan");
  call("ADD", pod);
  call("ADD", pod, "second");
  pod[Symbol.dispose]();
  refused("ADD", pod, 4, /^ADD of eth0 .* CNI_NETNS is wrong, there is no network namespace at /);
  refused("CHECK", pod, 103, /the network namespace .* is gone.*weir gc$/);
  call("DEL", pod);
  call("GC", pod);
  using shaper = Shaper.open(options);
  assert.equal(shaper.list(), []);
});

test("a map of an earlier version's layout: ADD puts its own in its place", () =>
  withPod((pod, pristine) => {
    mkdirSync(pins, { mode: 0o700 });
    {
      using map = BpfMap.create({ name: "limits", type: "array", keySize: 4, valueSize: 8, maxEntries: 16 });
      map.pin(join(pins, "limits"));
    }
    call("ADD", pod);
    call("CHECK", pod);
    call("DEL", pod);
    assert.equal(pod.everything, pristine);
  }));

test("a later version's program: ADD is code 5 and names the remedy, CHECK says so, and DEL succeeds", () =>
  withPod((pod, pristine) => {
    call("ADD", pod);
    const marker = readdirSync(pins).find((name) => /^shape_v\d+$/.test(name))!;
    renameSync(join(pins, marker), join(pins, "shape_v9999"));
    refused("ADD", pod, 5, /version 9999 .*Use the later weir/);
    refused("CHECK", pod, 103, /version 9999/);
    call("DEL", pod);
    assert.equal(pod.everything, pristine);
  }));

test("a reboot, with records kept or wiped: the pod is added as if new, and what is gone is collected", () => {
  for (const [kept, isAnother] of [
    [true, true],
    [true, false],
    [false, false],
  ]) {
    const before = new Pod(executables.folder, "pod", "ipvlan");
    call("ADD", before);
    call("ADD", before, "gone");
    // What is open keeps its inode number from the namespace that comes after it; else that mostly gets the same.
    using old = isAnother ? NetworkNamespace.open(before.netns) : undefined;
    before[Symbol.dispose]();
    unmount(bpffs);
    mountBpffs(bpffs);
    if (!kept) rmSync(stateDirectory, { recursive: true });
    withPod((pod, pristine) => {
      if (old) {
        using now = NetworkNamespace.open(pod.netns);
        assert.is.not(now.identity.inode, old.identity.inode);
      }
      call("ADD", pod);
      call("CHECK", pod);
      call("DEL", pod);
      assert.equal(pod.everything, pristine);
      call("GC", pod);
      using shaper = Shaper.open(options);
      assert.equal(shaper.list(), []);
      assert.equal(shaper.gc(), { removed: [], problems: [] });
    });
  }
});

test("GC goes on past what it cannot remove, and code 106 names all of it", () => {
  const names = ["one", "two", "three"];
  const pods = names.map((name) => new Pod(executables.folder, name, "ipvlan"));
  try {
    for (const [index, pod] of pods.entries()) call("ADD", pod, names[index]!);
    // Two pods' own qdiscs cannot be given back.
    const files = ["one", "three"].map((name) => join(attachments, `${name}%2Feth0.json`));
    const before = files.map((file) => readFileSync(file, "utf8"));
    for (const [index, file] of files.entries()) {
      const { found, ...record } = JSON.parse(before[index]!) as { found: object };
      const root = { kind: "nosuch", handle: 0x1_0000 };
      writeFileSync(file, JSON.stringify({ ...record, found: { ...found, root } }));
    }
    try {
      call("GC", pods[0]!);
      assert.unreachable("GC succeeded");
    } catch (error) {
      assert.instance(error, CniError);
      const { code, message, details } = error as CniError;
      assert.is(code, 106);
      assert.match(message, /could not remove 2 of the attachments/);
      assert.match(details, /^one\/eth0: .*nosuch.*\nthree\/eth0: .*nosuch/);
    }
    using shaper = Shaper.open(options);
    assert.equal(
      shaper.list().map(({ id }) => id),
      ["one/eth0", "three/eth0"],
    );
    for (const [index, file] of files.entries()) writeFileSync(file, before[index]!);
    call("GC", pods[0]!);
    assert.equal(shaper.list(), []);
  } finally {
    for (const pod of pods) pod[Symbol.dispose]();
  }
});

test("the lock held by another process: code 11, and the next try succeeds", () =>
  withPod((pod, pristine) => {
    {
      using _lock = FileLock.acquire(join(stateDirectory, "lock"));
      refused("ADD", pod, 11, /another process has been changing attachments .*Try again; .*fuser/);
      assert.equal(pod.everything, pristine);
    }
    call("ADD", pod);
    call("DEL", pod);
  }));

tests.run();
