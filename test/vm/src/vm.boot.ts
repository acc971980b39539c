/** Boots virtual machines: run with uvu on `\.boot\.js$`. Each boot takes some seconds when emulated. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KERNELS, prepareKernel, runInVm, VmError, type VmOptions, type VmResult } from "./index.js";

const cli = fileURLToPath(new URL("./cli.js", import.meta.url));
const folder = realpathSync(mkdtempSync(join(tmpdir(), "weir-vm-boot-")));
test.after(() => rmSync(folder, { recursive: true }));

/** A stream that keeps what is written to it. */
class Kept extends Writable {
  readonly #chunks: Buffer[] = [];
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
  get text(): string {
    return this.bytes.toString();
  }
}

interface Outcome extends VmResult {
  readonly stdout: Kept;
  readonly stderr: Kept;
}

async function vm(command: readonly string[], options: Partial<VmOptions> = {}): Promise<Outcome> {
  const stdout = new Kept();
  const stderr = new Kept();
  const result = await runInVm({ kernel: "6.1", command, stdout, stderr, timeoutMs: 120_000, ...options });
  return { ...result, stdout, stderr };
}

const shell = (script: string, options: Partial<VmOptions> = {}): Promise<Outcome> =>
  vm(["bash", "-c", script], options);

/** The ids of QEMU processes whose command line holds `word`. */
function machinesWith(word: string): string[] {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const line = readFileSync(`/proc/${entry}/cmdline`, "utf8");
      return line.includes("qemu-system") && line.includes(word);
    } catch {
      return false; // It ended meanwhile.
    }
  });
}

test("output arrives byte for byte on its own stream, with the exit status, in the same folder", async () => {
  const outcome = await shell(
    `pwd
     printf '\\000\\001\\004\\377\\r\\n\\004weir-end' >&2
     echo "$WEIR_VM $WEIR_KERNEL $GREETING $(id -u) $(hostname) $PATH"
     echo again > /dev/stdout
     exit 37`,
    { cwd: folder, env: { GREETING: 'it\'s "here"' } },
  );
  const [pwd, line, again] = outcome.stdout.text.split("\n");
  assert.is(pwd, folder);
  assert.match(line!, /^1 6\.1 it's "here" 0 weir-vm \/.*\/sbin/);
  assert.is(again, "again");
  assert.equal(outcome.stderr.bytes, Buffer.from("\0\x01\x04\xff\r\n\x04weir-end", "latin1"));
  assert.is(outcome.exitStatus, 37);
  assert.match(outcome.kernelRelease, /^6\.1\./);
  assert.ok(outcome.bootMs > 0 && outcome.durationMs > 0 && outcome.clockRatio > 0);
});

test("five megabytes arrive whole, also when the reader is slow", async () => {
  let slow = 0;
  const hash = createHash("sha256");
  const stdout = new Writable({
    highWaterMark: 1024,
    write(chunk: Buffer, _encoding, done) {
      slow += chunk.length;
      hash.update(chunk);
      setImmediate(done);
    },
  });
  const outcome = await shell("head -c 5000000 /dev/urandom | tee >(sha256sum >&2); wait", { stdout });
  assert.is(slow, 5_000_000);
  assert.is(outcome.stderr.text.split(" ")[0], hash.digest("hex"));
});

test("a share is the host's own folder; anything else that the guest writes is lost", async () => {
  const share = join(folder, "a, share's");
  const [inside, outside] = [join(share, "new"), join(folder, "not-shared")];
  spawnSync("mkdir", [share]);
  writeFileSync(join(share, "old"), "from the host");
  const outcome = await shell(
    `cat "$SHARE/old" && echo result > "$SHARE/new" && rm "$SHARE/old" &&
     echo lost > "${outside}" && echo lost > /root/weir-vm-was-here && rm -r /etc/apt && cat "${outside}"`,
    { shares: [share], env: { SHARE: share } },
  );
  assert.is(outcome.stderr.text, "");
  assert.is(outcome.stdout.text, "from the hostlost\n");
  assert.is(readFileSync(inside, "utf8"), "result\n");
  assert.not.ok(existsSync(join(share, "old")));
  assert.not.ok(existsSync(outside));
  assert.not.ok(existsSync("/root/weir-vm-was-here"));
  assert.ok(existsSync("/etc/apt"));
  assert.is(statSync(inside).uid, process.getuid!());
});

test("the guest has the file systems that networking and BPF need", async () => {
  const outcome = await shell(
    "mount | cut -d' ' -f1,3,5; ip -br link show lo; ls -d /dev/fd/1 /sys/kernel/btf/vmlinux",
  );
  for (const line of [
    "overlay / overlay",
    "cgroup2 /sys/fs/cgroup cgroup2",
    "bpf /sys/fs/bpf bpf",
    "tracefs /sys/kernel/tracing tracefs",
    "debugfs /sys/kernel/debug debugfs",
    "devpts /dev/pts devpts",
    "tmpfs /tmp tmpfs",
    "tmpfs /run tmpfs",
  ]) {
    assert.ok(outcome.stdout.text.includes(line), line);
  }
  assert.match(outcome.stdout.text, /^lo .*UP/m);
  assert.is(outcome.exitStatus, 0, outcome.stderr.text);
  const without = await shell("mount | grep -c '^bpf '", { bpffs: false });
  assert.is(without.stdout.text, "0\n");
});

test("a command that is not found gives 127, and one that a signal ends 128 + its number", async () => {
  assert.is((await vm(["weir-no-such-command"])).exitStatus, 127);
  assert.is((await shell("kill -KILL $$")).exitStatus, 137);
});

test("what the command leaves running does not hold the machine up", async () => {
  const outcome = await shell("sleep 1000 & setsid sleep 1000 & (trap '' TERM HUP; sleep 1000) & echo done");
  assert.is(outcome.stdout.text, "done\n");
  assert.is(outcome.exitStatus, 0);
});

test("the time limit ends the machine, wherever it is, and leaves no process", async () => {
  const share = mkdtempSync(join(folder, "timeout-"));
  try {
    await shell("exec sleep 1000", { shares: [share], timeoutMs: 3000 });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, VmError);
    assert.is((error as VmError).code, "TIMEOUT");
    assert.match((error as VmError).message, /time limit passed while/);
  }
  assert.equal(machinesWith(share), []);
});

test("an aborted run keeps the output so far and leaves no process", async () => {
  const share = mkdtempSync(join(folder, "aborted-"));
  const controller = new AbortController();
  const stdout = new Kept();
  const write = stdout._write.bind(stdout);
  stdout._write = (chunk, encoding, done) => {
    write(chunk, encoding, done);
    controller.abort();
  };
  try {
    await shell("echo begun; exec sleep 1000", { shares: [share], signal: controller.signal, stdout });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, VmError);
    assert.is((error as VmError).code, "ABORTED");
  }
  assert.is(stdout.text, "begun\n");
  assert.equal(machinesWith(share), []);
});

test("a SIGTERM reaches the command, whose own exit status is returned", async () => {
  const child = spawn(
    process.execPath,
    [
      cli,
      "--quiet",
      "--timeout",
      "120",
      "--",
      "bash",
      "-c",
      "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.1; done",
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    if (output === "") child.kill("SIGTERM");
    output += chunk;
  });
  const [code] = await once(child, "close");
  assert.is(output, "ready\ngot it\n");
  assert.is(code, 9);
});

test("when this side is killed, the machine dies too", async () => {
  const share = mkdtempSync(join(folder, "killed-"));
  const child = spawn(process.execPath, [cli, "--share", share, "--", "sh", "-c", "echo ready; sleep 1000"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(child.stdout, "data");
  const [machine, ...others] = machinesWith(share);
  assert.ok(machine);
  assert.equal(others, []);
  child.kill("SIGKILL");
  // The end of this pipe is the end of every process that had it; QEMU has not, so it is watched for.
  await once(child, "close");
  while (machinesWith(share).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
});

test("a kernel panic is told with its reason and the console's last lines", async () => {
  try {
    await shell("echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger");
    assert.unreachable();
  } catch (error) {
    assert.instance(error, VmError);
    assert.is((error as VmError).code, "GUEST_FAILED");
    assert.match((error as VmError).message, /while the command ran: Kernel panic - not syncing: sysrq/);
    assert.match((error as VmError).console, /Kernel panic/);
  }
});

test("QEMU's own refusal is told", async () => {
  try {
    await vm(["true"], { memoryMiB: 1 });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, VmError);
    assert.is((error as VmError).code, "GUEST_FAILED");
  }
});

for (const kernel of KERNELS.filter((each) => each.default)) {
  test(`Linux ${kernel.name} has the modules that shaping needs, a cheap clock, and makes ipvlan links`, async () => {
    const outcome = await shell(
      `set -e
       for module in ipvlan sch_fq ifb veth act_mirred cls_bpf cls_matchall 9p; do modprobe $module; done
       ip link add under type dummy
       ip link add link under over type ipvlan mode l2
       ip -details link show over | grep -o 'ipvlan *mode l2'
       cat /sys/devices/system/clocksource/clocksource0/current_clocksource`,
      { kernel: kernel.name },
    );
    assert.is(outcome.stderr.text, "");
    assert.match(outcome.stdout.text, /^ipvlan +mode l2/);
    // Every packet's departure time is read from it: hpet and acpi_pm cost an exit to the emulator.
    assert.match(outcome.stdout.text, /(tsc|kvm-clock)\n$/);
    assert.ok(outcome.kernelRelease.startsWith(`${kernel.name}.`));
  });
}

test("a prepared kernel is not fetched again: no step is told, and no program of apt is needed", async () => {
  const told: string[] = [];
  const first = await prepareKernel("6.1");
  const path = process.env.PATH;
  process.env.PATH = folder;
  try {
    assert.equal(await prepareKernel("bookworm", { progress: (message) => told.push(message) }), first);
  } finally {
    process.env.PATH = path;
  }
  assert.equal(told, []);
});

test.run();
