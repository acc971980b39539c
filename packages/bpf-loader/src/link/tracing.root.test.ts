import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fd, MemoryMap, mount, unmount } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type BpfIterator,
  BpfLink,
  BpfMap,
  type BpfProgram,
  type Btf,
  features,
  LegacyLink,
} from "../index.js";
import { kernelBefore } from "../kernel/call.js";
import { readKernelBtf } from "../kernel/kernel-btf.js";
import { callGetppid, counting } from "../testing/attach.js";
import { parseFixture } from "../testing/fixtures.js";
import { needs, temporaryBpffs, testWith, testWithout } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("attaching to the kernel and to processes");
const own = { onlyThisProcess: true };

/** The tracing filesystem, where it is not mounted already. */
function tracefs(): Disposable {
  if (readdirSync("/sys/kernel/tracing").length > 0) return { [Symbol.dispose]() {} };
  const target = mkdtempSync(join(tmpdir(), "weir-tracefs-"));
  mount({ source: "tracefs", target, type: "tracefs" });
  return {
    [Symbol.dispose]() {
      unmount(target);
      rmdirSync(target);
    },
  };
}

test("a raw tracepoint program runs, and its link says where", () => {
  using counter = counting("raw_tracepoint", own);
  {
    using link = counter.program.attach();
    callGetppid();
    assert.ok(counter.hits() > 0);
    const { info } = link;
    assert.equal(
      [info.type, info.programId, (info as { tracepoint?: string }).tracepoint],
      ["raw_tracepoint", counter.program.info.id, "sys_enter"],
    );
    const error = thrown(() => link.detach()) as { code?: string };
    assert.is(error.code, "ENOTSUP");
  }
  const before = counter.hits();
  callGetppid();
  assert.is(counter.hits(), before);
  assert.throws(() => counter.program.attachRawTracepoint("no_such"), /raw tracepoint no_such: .*ENOENT/);
});

test("a tracepoint program runs for its tracepoint alone", () => {
  using _ = tracefs();
  using counter = counting("tracepoint_plain", own);
  {
    using link = counter.program.attach();
    callGetppid();
    callGetppid();
    assert.is(counter.hits(), 2);
    assert.instance(link, BpfLink);
  }
  callGetppid();
  assert.is(counter.hits(), 2);
  assert.throws(
    () => counter.program.attachTracepoint("syscalls", "no_such"),
    /tracepoint syscalls\/no_such: .*ENOENT.*events\/syscalls\/no_such\/id is not in the tracing filesystem/,
  );
  assert.throws(() => counter.program.attachTracepoint("../x", "y"), RangeError as never);
});

test("a tracepoint program is attached without a link as well", () => {
  using _ = tracefs();
  using counter = counting("tracepoint_plain", own);
  {
    using link = counter.program.attachTracepoint("syscalls", "sys_enter_getppid", { link: false });
    assert.instance(link, LegacyLink);
    callGetppid();
    assert.is(counter.hits(), 1);
    assert.throws(() => link.pin("/nowhere"), /no pinning of a perf event attachment .*5\.15/);
  }
  callGetppid();
  assert.is(counter.hits(), 1);
});

testWith(test, needs.programCookie, "attachments are told apart by their cookies", () => {
  using _ = tracefs();
  using counter = counting("tracepoint", own);
  using link = counter.program.attachTracepoint("syscalls", "sys_enter_getppid", { cookie: 1n << 40n });
  callGetppid();
  assert.is(counter.noted().cookie, 1n << 40n);
  assert.throws(
    () => counter.program.attachTracepoint("syscalls", "sys_enter_getppid", { cookie: 1n, link: false }),
    /no cookies of attachments/,
  );
  assert.is(link.info.type, "perf_event");
});

testWithout(test, needs.programCookie, "a kernel without cookies says so", () => {
  using _ = tracefs();
  using counter = counting("tracepoint_plain", own);
  const attach = () => counter.program.attachTracepoint("syscalls", "sys_enter_getppid", { cookie: 1n });
  assert.is((thrown(attach) as { since?: string }).since, "5.15");
});

testWith(test, needs.perfLinkInfo, "the link of a tracepoint says which", () => {
  using _ = tracefs();
  using counter = counting("tracepoint", own);
  using link = counter.program.attachTracepoint("syscalls", "sys_enter_getppid", { cookie: 5n });
  const { id, programId, cookie, ...rest } = link.info as unknown as Record<string, unknown>;
  assert.ok(id && programId === counter.program.info.id);
  assert.equal(rest, { type: "perf_event", event: "tracepoint", tracepoint: "sys_enter_getppid" });
  // Cookies are told since 6.9.
  assert.ok(cookie === 5n || cookie === 0n);
});

testWith(test, needs.kprobe, "a kprobe runs at a system call's function, which its section names", () => {
  using counter = counting("system_call", own);
  {
    using _ = counter.program.attach();
    callGetppid();
    assert.is(counter.hits(), 1);
  }
  callGetppid();
  assert.is(counter.hits(), 1);
});

testWith(test, needs.kprobe, "kprobes are attached by name, by address and at the return", () => {
  using counter = counting("probe", own);
  using byName = counter.program.attachKprobe("__x64_sys_getppid");
  callGetppid();
  assert.is(counter.hits(), 1);
  byName.close();
  const line = readFileSync("/proc/kallsyms", "latin1").split("\n");
  const address = line.find((text) => text.endsWith(" T __x64_sys_getppid"))!.split(" ")[0];
  using byAddress = counter.program.attachKprobe(BigInt(`0x${address}`));
  callGetppid();
  assert.is(counter.hits(), 2);
  byAddress.close();
  using atReturn = counter.program.attachKprobe("__x64_sys_getppid", { return: true });
  callGetppid();
  assert.is(counter.hits(), 3);
  assert.ok(atReturn);
  assert.throws(
    () => counter.program.attachKprobe("no_such_function"),
    /\/proc\/kallsyms must have no_such_function/,
  );
});

testWith(test, needs.perfLinkInfo, "the link of a uprobe says where", () => {
  using counter = counting("uprobe_by_section", own);
  using link = counter.program.attach();
  const info = link.info as unknown as Record<string, unknown>;
  assert.is(info.event, "uprobe");
  assert.match(String(info.path), /libc\.so\.6$|libc-2/);
  assert.ok((info.offset as number) > 0);
  using other = counter.program.attachUprobe("libc.so.6", { symbol: "getppid", offset: 0, return: true });
  const { event, offset } = other.info as unknown as Record<string, unknown>;
  assert.equal([event, offset], ["uretprobe", info.offset]);
});

testWith(test, needs.kprobeLinkInfo, "the links of kprobes say where", () => {
  using counter = counting("probe_cookie", own);
  using link = counter.program.attachKprobe("__x64_sys_getppid", { return: true, cookie: 8n });
  callGetppid();
  assert.is(counter.noted().cookie, 8n);
  const { address, missed, cookie, ...rest } = link.info as unknown as Record<string, unknown>;
  assert.ok((address as bigint) > 0n && missed === 0n);
  assert.ok(cookie === 8n || cookie === 0n);
  assert.equal(rest, {
    id: rest.id,
    programId: counter.program.info.id,
    type: "perf_event",
    event: "kretprobe",
    symbol: "__x64_sys_getppid",
    offset: 0,
  });
});

testWithout(test, needs.kprobe, "a kernel without kprobes says so", () => {
  using counter = counting("probe", own);
  assert.throws(() => counter.program.attachKprobe("do_exit"), /no kprobe events.*CONFIG_KPROBE_EVENTS/);
});

testWith(test, needs.kprobeMulti, "one link watches many kernel functions, with a cookie for each", () => {
  using counter = counting("kprobe_multi", own);
  {
    using link = counter.program.attachKprobeMulti({
      symbols: ["__x64_sys_getppid", "__x64_sys_getpgid"],
      cookies: [11n, 12n],
    });
    callGetppid();
    assert.equal([counter.hits(), counter.noted().cookie], [1, 11n]);
    const { info } = link;
    assert.is(info.type, "kprobe_multi");
    // Told since 6.6.
    const { addresses } = info as unknown as { addresses: bigint[] };
    assert.ok(addresses.length === 2 || kernelBefore(6, 6));
    assert.throws(
      () => link.update(counter.program),
      /no replacement of the program for links of type kprobe_multi/,
    );
  }
  callGetppid();
  assert.is(counter.hits(), 1);
  using byPattern = counter.program.attachKprobeMulti({ pattern: "*sys_getppid" });
  callGetppid();
  assert.is(counter.hits(), 2);
  assert.ok(byPattern);
  assert.throws(() => counter.program.attachKprobeMulti({ pattern: "no_such_*" }), /fits "no_such_\*"/);
  assert.throws(
    () => counter.program.attachKprobeMulti({ symbols: ["a"], cookies: [] }),
    RangeError as never,
  );
});

testWithout(test, needs.kprobeMulti, "a kernel without kprobe.multi says so", () => {
  using counter = counting("probe", own);
  const attach = () => counter.program.attachKprobeMulti({ symbols: ["__x64_sys_getppid"] });
  assert.is((thrown(attach) as { since?: string }).since, "5.18");
});

test("a uprobe runs at a function of the C library, which its section names", () => {
  using counter = counting("uprobe_by_section", own);
  {
    using _ = counter.program.attach();
    callGetppid();
    assert.is(counter.hits(), 1);
  }
  callGetppid();
  assert.is(counter.hits(), 1);
});

test("uprobes are attached to a process, at the return, and to a function of node", () => {
  using counter = counting("probe");
  using library = counter.program.attachUprobe("libc.so.6", {
    symbol: "getppid",
    return: true,
    pid: process.pid,
  });
  callGetppid();
  assert.is(counter.hits(), 1);
  library.close();
  using node = counter.program.attachUprobe(process.execPath, { symbol: "uv_os_getppid", pid: process.pid });
  callGetppid();
  assert.is(counter.hits(), 2);
  assert.ok(node);
  assert.throws(
    () => counter.program.attachUprobe("libc.so.6", { symbol: "no_such_function" }),
    /find the function no_such_function in .*libc/,
  );
  assert.throws(
    () => counter.program.attachUprobe("no_such.so.1", { offset: 0 }),
    /find no_such\.so\.1: .*ENOENT/,
  );
});

testWith(test, needs.uprobeMulti, "one link watches many functions of a file", () => {
  using counter = counting("uprobe_multi", own);
  const symbols = ["getppid", "getpgid"];
  {
    using link = counter.program.attachUprobeMulti("libc.so.6", {
      symbols,
      cookies: [21n, 22n],
      pid: process.pid,
    });
    callGetppid();
    assert.equal([counter.hits(), counter.noted().cookie], [1, 21n]);
    const { info } = link;
    assert.is(info.type, "uprobe_multi");
    // Linux 6.8 tells more.
    const { path, offsets } = info as unknown as { path: string; offsets: bigint[] };
    if (path !== "") assert.equal([/libc/.test(path), offsets.length], [true, 2]);
  }
  callGetppid();
  assert.is(counter.hits(), 1);
  using byPattern = counter.program.attachUprobeMulti("libc.so.6", { pattern: "getpp?d" });
  callGetppid();
  assert.is(counter.hits(), 2);
  assert.ok(byPattern);
});

testWithout(test, needs.uprobeMulti, "a kernel without uprobe.multi says so", () => {
  using counter = counting("probe", own);
  const attach = () => counter.program.attachUprobeMulti("libc.so.6", { symbols: ["getppid"] });
  assert.is((thrown(attach) as { since?: string }).since, "6.6");
});

test("a perf event runs its program once for each page fault", () => {
  const PERF_TYPE_SOFTWARE = 1;
  const PERF_COUNT_SW_PAGE_FAULTS = 2;
  using counter = counting("perf", own);
  using link = counter.program.attachPerfEvent({
    type: PERF_TYPE_SOFTWARE,
    config: PERF_COUNT_SW_PAGE_FAULTS,
    period: 1,
    pid: process.pid,
  });
  // Memory that nobody has touched before.
  using zeros = Fd.adopt(openSync("/dev/zero", "r+"), "/dev/zero");
  using memory = MemoryMap.map(zeros, 64 * 4096, { writable: true });
  const bytes = new Uint8Array(memory.buffer);
  for (let at = 0; at < bytes.length; at += 4096) bytes[at] = 1;
  assert.ok(counter.hits() >= 64);
  assert.ok(link);
  assert.throws(() => counter.program.attachPerfEvent({ type: 1, config: 0 }), /frequency or the period/);
});

testWith(test, needs.trampolines, "fentry, fexit and fmod_ret run at kernel functions", () => {
  using entry = counting("fentry");
  using exit = counting("fexit");
  using modify = counting("fmod_ret", own);
  {
    using first = entry.program.attach();
    using second = exit.program.attachTracing();
    using third = modify.program.attach();
    // A test run of a tracing program calls the functions that they watch (bpf_prog_test_run_tracing).
    entry.program.testRun();
    assert.equal([entry.hits(), entry.noted().argument], [1, 1n]);
    // bpf_fentry_test2(2, 3) is their sum.
    assert.equal([exit.hits(), exit.noted().argument], [1, 5n]);
    assert.throws(() => readFileSync("/proc/version"), /EPERM/);
    assert.ok(modify.hits() > 0);
    assert.is(first.info.type, "tracing");
    assert.equal(
      [first, second, third].map(({ info }) => (info as { attachType?: string }).attachType),
      ["trace_fentry", "trace_fexit", "modify_return"],
    );
  }
  entry.program.testRun();
  assert.is(entry.hits(), 1);
});

testWith(
  test,
  needs.trampolines,
  "a program takes the place of another's function, for as long as its link",
  () => {
    using victim = counting("replaceable");
    const packet = { data: new Uint8Array(64) };
    assert.is(victim.program.testRun(packet).returnValue, 41);
    const object = parseFixture("attach");
    object.program("replacement").attachProgram = victim.program;
    using loaded = object.load({ programs: ["replacement"] });
    {
      using link = loaded.program("replacement").attachFreplace();
      assert.is(victim.program.testRun(packet).returnValue, 42);
      assert.is(link.info.type, "tracing");
      const { targetObjectId } = link.info as { targetObjectId?: number };
      assert.is(targetObjectId, kernelBefore(5, 13) ? 0 : victim.program.info.id);
    }
    assert.is(victim.program.testRun(packet).returnValue, 41);
    // Another program of the same shape will do as well.
    using other = counting("replaceable");
    const function_ = kernelBtfOf(other.program).find("answer", "func")!;
    using second = loaded
      .program("replacement")
      .attachFreplace({ program: other.program, btfId: function_.id });
    assert.is(other.program.testRun(packet).returnValue, 42);
    assert.is(victim.program.testRun(packet).returnValue, 41);
    assert.ok(second);
  },
);

testWith(test, needs.trampolines, "fentry watches another program", () => {
  using watched = counting("replaceable");
  const object = parseFixture("attach");
  const spec = object.program("fentry");
  spec.attachProgram = watched.program;
  spec.attachTarget = "replaceable";
  using loaded = object.load({ programs: ["fentry"] });
  using link = loaded.program("fentry").attach();
  watched.program.testRun({ data: new Uint8Array(64) });
  assert.is((loaded.map(".bss").get(0) as { hits: bigint }).hits, 1n);
  assert.ok(link);
});

testWith(test, needs.tracingCookie, "tracing programs have cookies", () => {
  using counter = counting("fentry_cookie");
  using link = counter.program.attachTracing({ cookie: 99n });
  counter.program.testRun();
  assert.is(counter.noted().cookie, 99n);
  assert.is(link.info.type, "tracing");
});

testWith(test, needs.lsmActive, "an LSM program is asked when a file is opened", () => {
  using counter = counting("lsm", own);
  using link = counter.program.attachLsm();
  assert.throws(() => readFileSync("/proc/version"), /EPERM/);
  assert.ok(counter.hits() > 0);
  link.close();
  assert.ok(readFileSync("/proc/version").length > 0);
});

test("an iterator's text names this process", () => {
  using counter = counting("iterate_tasks");
  using iterator = counter.program.attach() as BpfIterator;
  assert.match(iterator.text(), new RegExp(`^task ${process.pid}$`, "m"));
  const { info } = iterator;
  assert.equal([info.type, (info as { target?: string }).target], ["iter", "task"]);
  // In pieces it is the same.
  assert.match(Buffer.concat([...iterator.chunks(64)]).toString(), new RegExp(`^task ${process.pid}$`, "m"));
});

test("a pinned iterator is read as a file", () => {
  using bpffs = temporaryBpffs();
  using counter = counting("iterate_tasks");
  using iterator = counter.program.attachIterator();
  const path = join(bpffs.path, "tasks");
  iterator.pin(path);
  assert.ok(existsSync(path));
  assert.match(readFileSync(path, "utf8"), new RegExp(`^task ${process.pid}$`, "m"));
});

testWith(test, needs.iteratorParameters, "an iterator walks one process alone", () => {
  using counter = counting("iterate_tasks");
  using iterator = counter.program.attachIterator({ tid: process.pid });
  assert.is(iterator.text(), `task ${process.pid}\n`);
  assert.is((iterator.info as { tid?: number }).tid, process.pid);
});

test("an iterator walks the elements of a map", () => {
  using counter = counting("iterate_elements");
  using walked = BpfMap.create({ name: "walked", type: "array", keySize: 4, valueSize: 8, maxEntries: 3 });
  walked.raw.set(new Uint8Array([1, 0, 0, 0]), new Uint8Array([17, 0, 0, 0, 0, 0, 0, 0]));
  using iterator = counter.program.attachIterator({ map: walked });
  assert.is(iterator.text(), "0: 0\n1: 17\n2: 0\n");
  assert.is((iterator.info as { mapId?: number }).mapId, walked.info.id);
});

test("a program without a place in its section says which method takes one", () => {
  using counter = counting("tc_next");
  assert.throws(() => counter.program.attach(), /attachTcx, attachTc or attachNetkit/);
  using probe = counting("probe");
  assert.throws(() => probe.program.attach(), /section "kprobe" of program "probe" does not say/);
  assert.ok(features.programType("kprobe"));
});

function kernelBtfOf(program: BpfProgram): Btf {
  return readKernelBtf(program.info.btfId);
}

test.run();
