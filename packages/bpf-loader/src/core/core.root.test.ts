import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernelBtf, VerifierError } from "../index.js";
import { parseFixture } from "../testing/fixtures.js";
import { needs, testWith } from "../testing/kernel.js";
import { loadModule } from "../testing/modules.js";
import { thrown } from "../testing/thrown.js";

const test = suite("CO-RE on this kernel");
const packet = new Uint8Array(64);

/** Where a member lies and what it is, found without CO-RE; "" steps into the anonymous member that has the next one. */
function member(struct: string, name: string) {
  const btf = kernelBtf.vmlinux();
  const search = (
    id: number,
    origin: number,
  ): { bitOffset: number; bitSize: number; type: number } | undefined => {
    const type = btf.resolve(id);
    if (type.kind !== "struct" && type.kind !== "union") return undefined;
    for (const member of type.members) {
      const bitOffset = origin + member.bitOffset;
      if (member.name === name) return { ...member, bitOffset };
      const inner = member.name === "" && search(member.type, bitOffset);
      if (inner) return inner;
    }
    return undefined;
  };
  const found = search(btf.find(struct, "struct")!.id, 0)!;
  return { ...found, offset: found.bitOffset / 8, size: btf.sizeOf(found.type) };
}

loadModule("sch_fq");
test("every question is answered as the kernel's types say", () => {
  const btf = kernelBtf.vmlinux();
  const object = parseFixture("core");
  using loaded = object.load();
  const answers = Object.fromEntries(
    loaded.programs.map((program) => [program.name, program.testRun({ data: packet }).returnValue]),
  );
  const { size } = btf.find("task_struct", "struct")!;
  const pid = member("task_struct", "pid").offset;
  const comm = member("task_struct", "comm");
  const flags = member("task_struct", "flags").offset;
  const bits = member("sk_buff", "pkt_type");
  const execve = member("task_struct", "in_execve");
  // Bit-fields are read by an aligned load of their declared type.
  const execveStart = Math.floor(execve.bitOffset / 32) * 32;
  const modules = kernelBtf.modules().map(kernelBtf.module);
  const inModule = [btf, ...modules].map((one) => one.find("fq_sched_data", "struct")).find((type) => type);
  if (modules.some((one) => one.find("fq_flow", "struct")))
    assert.ok(inModule && inModule.id > btf.typeCount);
  const item = btf.find("bpf_prog_array_item", "struct")!;
  assert.equal(answers, {
    byte_offset: pid,
    byte_offset_nested: member("task_struct", "tasks").offset + 8,
    byte_offset_element: comm.offset + 5,
    byte_offset_anonymous: member("sk_buff", "cb").offset + 3,
    byte_offset_union: 8,
    byte_offset_flexible: member("bpf_prog_array", "items").offset + 3 * item.size,
    byte_offset_array_of_roots: 2 * size + pid,
    byte_offset_flavour: flags,
    byte_size: 16,
    byte_size_element: 1,
    byte_size_flavour: 4,
    field_exists: 1,
    field_exists_not: 0,
    field_exists_not_nested: 0,
    field_signed: 1,
    field_unsigned: 0,
    bits_offset: Math.floor(bits.bitOffset / 8),
    bits_size: 1,
    bits_lshift: 64 - ((bits.bitOffset % 8) + bits.bitSize),
    bits_rshift: 64 - bits.bitSize,
    bits_lshift_of_unsigned: 64 - (execve.bitOffset - execveStart + 1),
    lshift_of_plain: 32,
    rshift_of_plain: 32,
    type_id_local: object.btf!.find("weir_nothing_of_the_kind", "struct")!.id,
    type_id_target: btf.find("task_struct", "struct")!.id,
    type_id_target_none: 0,
    type_exists: 1,
    type_exists_typedef: 1,
    type_exists_not: 0,
    type_size: btf.find("sk_buff", "struct")!.size,
    type_size_flavour: size,
    type_size_none: 0,
    type_size_module: inModule?.size ?? 0,
    field_exists_module: Number(inModule !== undefined),
    enumerator_exists: 1,
    enumerator_exists_not: 0,
    enumerator_value: 3,
    enumerator_value_flavour: 2,
    guarded: 17,
    in_subprogram: flags,
  });
});

testWith(test, needs.objects, "the kernel makes objects of a type that a program gives the id of", () => {
  using loaded = parseFixture("core-local-types").load();
  assert.is(loaded.program("makes").testRun({ data: packet }).returnValue, 42);
  assert.is(loaded.program("other").testRun({ data: packet }).returnValue, 0);
});

test("another kernel's BTF may be given", () => {
  // The object's own types stand for a kernel that is just as the compiler saw it.
  const object = parseFixture("core");
  const options = { programs: ["byte_offset", "type_size", "enumerator_value"], kernelBtf: object.btf! };
  using loaded = object.load(options);
  const run = (name: string) => loaded.program(name).testRun({ data: packet }).returnValue;
  assert.equal(options.programs.map(run), [8, 56, 99]);
});

testWith(test, needs.currentTaskBtf, "loads get the offset, and the size, of the kernel's fields", () => {
  using loaded = parseFixture("core-loads").load();
  const run = (name: string) => loaded.program(name).testRun({ data: packet }).returnValue;
  // The test run is this thread, whose name begins with "node".
  assert.is(run("loads"), process.pid + ("d".charCodeAt(0) << 16));
  // proc_pid_stat(5), field 9: PF_FORKNOEXEC, PF_RANDOMIZE and others.
  const fields = readFileSync("/proc/thread-self/stat", "utf8").split(") ")[1]!.split(" ");
  assert.is(run("loads_flags"), Number(fields[6]));
});

testWith(test, needs.currentTaskBtf, "a signed field of another size is refused rather than misread", () => {
  const error = thrown(() => parseFixture("core-loads").load({ programs: ["loads_signed"] }));
  assert.instance(error, VerifierError);
  assert.match(
    error.message,
    /task_struct___wide\.pid has 4 bytes instead of 8, and is neither a pointer nor unsigned/,
  );
});

for (const [name, reason] of [
  ["missing_field", 'struct task_struct has no field "nothing_of_the_kind"'],
  ["missing_nested", 'struct task_struct has no field "nowhere[1].nothing_of_the_kind"'],
  ["missing_type", "there is no struct weir_nothing_of_the_kind"],
  ["missing_enumerator", 'enum tcp_ca_state has no enumerator "TCP_CA_Nothing_of_the_kind"'],
] as const) {
  test(`${name}: the error says that ${reason}`, () => {
    const error = thrown(() => parseFixture("core-missing").load({ programs: [name] }));
    assert.instance(error, VerifierError);
    assert.ok(error.message.includes(reason), error.message);
    assert.match((error as VerifierError).log, /invalid func unknown#19589608/);
  });
}

test.run();
