import { readFileSync } from "node:fs";
import { version } from "node:os";
import { kernelVersion, NotSupportedError } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BpfObjectError, features } from "../index.js";
import { parseFixture } from "../testing/fixtures.js";
import { needs, testWith, testWithout } from "../testing/kernel.js";
import { loadModule } from "../testing/modules.js";
import { thrown } from "../testing/thrown.js";

const test = suite("externs");
const data = new Uint8Array(64);
/** Kernels tell their options in different places; the tests say what they are. */
const kconfig = `# a comment
CONFIG_WEIR_MODULE=m
CONFIG_WEIR_CHARACTER=y
CONFIG_WEIR_SHORT=-3
CONFIG_BPF_SYSCALL=y
CONFIG_HZ=1000
CONFIG_DEFAULT_HOSTNAME="a weir in a river"
`;

function run(name: string, options = {}): number {
  using loaded = parseFixture("externs").load({ programs: [name], kconfig, ...options });
  return loaded.program(name).testRun({ data }).returnValue | 0;
}

test("kernel options are what the given configuration says, and weak ones are zero without it", () => {
  // 'y' is 121; libbpf_tristate has TRI_MODULE as 2.
  assert.is(run("options"), 1 + 10 + 200 + 121_000 - 3_000_000);
  assert.is(run("hertz"), 1000);
  assert.is(run("options", { kconfig: "CONFIG_BPF_SYSCALL=y" }), 11);
});

test("a text is cut to what fits with its end", () => {
  using loaded = parseFixture("externs").load({ programs: ["hostname"], kconfig });
  const name = Buffer.from(loaded.variable("CONFIG_DEFAULT_HOSTNAME").get() as Uint8Array);
  assert.is(name.toString(), "a weir in a riv\0");
});

test("facts about the kernel are found out", () => {
  using loaded = parseFixture("externs").load({ programs: ["facts", "options"], kconfig });
  const { major, minor, patch } = kernelVersion();
  const debian = /Debian \d+\.\d+\.(\d+)/.exec(version())?.[1];
  const code = (major << 16) | (minor << 8) | Math.min(Number(debian ?? patch), 255);
  assert.is(loaded.variable("LINUX_KERNEL_VERSION").get(), code);
  assert.is(loaded.variable("LINUX_HAS_BPF_COOKIE").get(), features.helper("tracepoint", 174));
  const wrapper = / __\w+_sys_bpf\n/.test(readFileSync("/proc/kallsyms", "latin1"));
  assert.is(loaded.variable("LINUX_HAS_SYSCALL_WRAPPER").get(), wrapper ? 1 : 0);
});

test("options of the kernel can be read and not written", () => {
  using loaded = parseFixture("externs").load({ programs: ["hertz"], kconfig });
  const hertz = loaded.variable("CONFIG_HZ");
  assert.is(hertz.get(), 1000n);
  const error = thrown(() => hertz.set(5n)) as BpfObjectError;
  assert.is(error.code, "BPF_VARIABLE");
  assert.match(error.message, "section .kconfig is frozen");
});

test("what is missing fails the programs that need it and no others", () => {
  const missing = (name: string) => {
    const error = thrown(() => run(name)) as BpfObjectError;
    assert.is(error.code, "BPF_EXTERN", error.message);
    return error.message;
  };
  // A kernel that keeps its configuration to itself is told apart from one without the option.
  assert.match(missing("missing_option"), /"CONFIG_WEIR_NOWHERE" is not (set|known)/);
  assert.match(
    missing("missing_symbol"),
    'kernel symbol "weir_missing_symbol": this kernel does not have it',
  );
  assert.is(run("weak_undeclared"), 5);
  assert.is(run("weak_defined"), 8);
});

test("an option that does not fit its variable is refused", () => {
  const message = (line: string) => thrown(() => run("hertz", { kconfig: line })).message;
  assert.match(message("CONFIG_HZ=y"), /"CONFIG_HZ" is "y", which a variable of type int cannot hold/);
});

test("the address of a symbol is that of /proc/kallsyms; a weak one that is missing is zero", () => {
  const object = parseFixture("externs");
  using loaded = object.load({ programs: ["symbols"] });
  assert.is(loaded.program("symbols").testRun({ data }).returnValue, 2);
  const line = /^(\w+) \S bpf_map_put\s/m.exec(readFileSync("/proc/kallsyms", "latin1"))!;
  assert.is(loaded.variable("address").get(), BigInt(`0x${line[1]}`));
});

testWith(test, needs.kernelVariables, "a variable of the kernel is read by its type", () => {
  const kept = / \S bpf_prog_active\s/.test(readFileSync("/proc/kallsyms", "latin1"));
  if (kept) assert.is(run("variables"), 7);
  else assert.match(thrown(() => run("variables")).message, "CONFIG_KALLSYMS_ALL");
});

testWith(test, needs.kernelFunctions, "a function of the kernel is called", () => {
  assert.is(run("functions"), 3);
});

testWith(test, needs.kernelFunctions, "a function that has another type in the kernel is not called", () => {
  assert.match(
    thrown(() => run("other_type")).message,
    /is of another type in this kernel than the object declares: void bpf_rcu_read_lock\w*\(void\)/,
  );
  assert.is(run("weak_other_type"), 2);
});

testWithout(test, needs.kernelFunctions, "a function that the kernel lacks is refused by name", () => {
  assert.match(thrown(() => run("functions")).message, 'kernel function "bpf_rcu_read_lock"');
});

test("a weak function that is missing is refused only where it is called", () => {
  assert.is(run("weak_function"), 4);
  const error = thrown(() => run("careless"));
  assert.instance(error, NotSupportedError);
  assert.match(error.message, 'kernel function "weir_no_function"');
});

loadModule("nf_conntrack");
testWith(test, needs.moduleFunctions, "a function of a module is called", () => {
  // A weak one that is there has an address, also where the kernel itself gives none (before 6.4).
  assert.is(run("guarded_function"), 1);
  // ENOENT: there is no such connection.
  assert.is(run("module_function"), 2);
});

test.run();
