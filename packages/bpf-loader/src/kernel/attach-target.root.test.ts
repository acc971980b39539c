import { kernelVersion, NotSupportedError } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BpfObjectError, kernelBtf } from "../index.js";
import { parseFixture } from "../testing/fixtures.js";
import { needs, testWith, testWithout } from "../testing/kernel.js";
import { loadModule } from "../testing/modules.js";
import { thrown } from "../testing/thrown.js";
import { programInfo } from "./attributes.js";
import { objectInfo } from "./pin.js";

const test = suite("attach targets");

/** The id of what the kernel says that a program attaches to, and in which BTF; older kernels do not say. */
function attachedTo(name: string): number {
  using loaded = parseFixture("targets").load({ programs: [name] });
  return objectInfo(loaded.program(name).fd, programInfo).attachBtfId;
}

function isId(actual: number, name: string, kind: "func" | "typedef"): void {
  if (kernelVersion().major < 6) return;
  assert.is(actual, kernelBtf.vmlinux().find(name, kind)!.id);
}

test("a tracepoint and iterators are found in the kernel's types", () => {
  isId(attachedTo("on_switch"), "btf_trace_sched_switch", "typedef");
  isId(attachedTo("each_map"), "bpf_iter_bpf_map", "func");
});

testWith(test, needs.sleepableIterators, "a sleepable iterator is one", () => {
  isId(attachedTo("each_task"), "bpf_iter_task", "func");
});

testWith(test, needs.trampolines, "functions are found by their names, also with that of the kernel", () => {
  isId(attachedTo("on_unlink"), "do_unlinkat", "func");
  isId(attachedTo("after_unlink"), "do_unlinkat", "func");
  isId(attachedTo("instead"), "security_file_open", "func");
});

loadModule("nf_conntrack");
testWith(test, needs.moduleTrampolines, "a function of a module is found by both names", () => {
  const module = kernelBtf.module("nf_conntrack");
  const id = attachedTo("on_packet");
  if (kernelVersion().major >= 6) assert.is(id, module.find("nf_conntrack_in", "func")!.id);
});

testWith(test, needs.lsm, "hooks of security modules are found by their names", () => {
  isId(attachedTo("on_open"), "bpf_lsm_file_open", "func");
  isId(attachedTo("on_exec"), "bpf_lsm_bprm_committed_creds", "func");
});

testWith(test, needs.lsmCgroup, "hooks of security modules for a cgroup are found by their names", () => {
  isId(attachedTo("on_bind"), "bpf_lsm_socket_bind", "func");
});

testWithout(test, needs.lsmCgroup, "hooks of security modules for a cgroup are named as missing", () => {
  const error = thrown(() => attachedTo("on_bind"));
  assert.instance(error, NotSupportedError);
  assert.match(error.message, "6.0");
});

test("a section that names nothing, or what is not there, is refused", () => {
  const object = parseFixture("targets");
  const message = (name: string) => {
    const error = thrown(() => object.load({ programs: [name] })) as BpfObjectError;
    assert.is(error.code, "BPF_EXTERN", error.message);
    return error.message;
  };
  assert.match(message("nowhere"), `no function "no_function_of_the_kernel"`);
  assert.match(message("unnamed"), "assign attachTarget");
  assert.match(message("replacement"), "assign attachProgram");
  object.program("on_switch").attachTarget = "no_such_tracepoint";
  assert.match(message("on_switch"), `no type "btf_trace_no_such_tracepoint"`);
});

test("what is assigned counts, whatever the section says", () => {
  const object = parseFixture("targets");
  object.program("on_switch").attachTarget = "sched_wakeup";
  using loaded = object.load({ programs: ["on_switch"] });
  isId(
    objectInfo(loaded.program("on_switch").fd, programInfo).attachBtfId,
    "btf_trace_sched_wakeup",
    "typedef",
  );
});

testWith(test, needs.trampolines, "programs replace and watch functions of other programs", () => {
  const object = parseFixture("targets");
  using victim = object.load({ programs: ["caller"] });
  const attachProgram = victim.program("caller");
  for (const name of ["replacement", "watcher"]) object.program(name).attachProgram = attachProgram;
  using loaded = object.load({ programs: ["replacement", "watcher"] });
  assert.is(loaded.programs.length, 2);
  object.program("watcher").attachTarget = "nothing_there";
  assert.match(
    thrown(() => object.load({ programs: ["watcher"] })).message,
    'program "caller" has no function "nothing_there"',
  );
});

test.run();
