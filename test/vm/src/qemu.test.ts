import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chooseAccelerator, kernelCommandLine, type MachineOptions, qemuArguments } from "./qemu.js";

const folder = mkdtempSync(join(tmpdir(), "weir-qemu-"));
test.after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test("KVM is used when the processor has it and the device opens, and only then", () => {
  const amd = file("amd", "processor\t: 0\nflags\t\t: fpu vme svm lm\n");
  const intel = file("intel", "flags\t\t: fpu vmx lm\nvmx flags\t: vnmi\n");
  const neither = file("neither", "flags\t\t: fpu lm svm_lock\nbugs\t\t: svm vmx\n");
  const device = file("kvm", "");
  assert.is(chooseAccelerator(amd, device), "kvm");
  assert.is(chooseAccelerator(intel, device), "kvm");
  assert.is(chooseAccelerator(neither, device), "tcg");
  assert.is(chooseAccelerator(amd, join(folder, "missing")), "tcg");
});

const options: MachineOptions = {
  accelerator: "tcg",
  virtualTime: false,
  image: "/k/vmlinux",
  initramfs: "/k/initramfs",
  memoryMiB: 512,
  cpus: 3,
  shares: ["/data/a,b"],
  nics: [],
  verbose: false,
  root: true,
  fds: { control: 3, stdout: 4, stderr: 5, console: 6 },
};

function optionsAfter(flag: string, changed: Partial<MachineOptions> = {}): string[] {
  const args = qemuArguments({ ...options, ...changed });
  return args.filter((_, index) => args[index - 1] === flag);
}

test("each channel and folder has its device, and commas in paths are doubled", () => {
  const after = optionsAfter;
  assert.equal(after("-smp"), ["3"]);
  assert.equal(after("-m"), ["512"]);
  assert.equal(after("-fsdev"), [
    "local,id=host,path=/,security_model=passthrough,multidevs=remap,readonly=on",
    "local,id=share0,path=/data/a,,b,security_model=passthrough,multidevs=remap",
  ]);
  assert.equal(
    after("-chardev").map((chardev) => chardev.replace("socket,id=", "")),
    ["console,fd=6", "control,fd=3", "stdout,fd=4", "stderr,fd=5"],
  );
});

test("network cards are joined two by two, and each has an address of its own", () => {
  assert.equal(optionsAfter("-netdev"), []);
  const changed = { nics: ["vmxnet3", "virtio", "virtio", "virtio"] } as const;
  assert.equal(
    optionsAfter("-netdev", changed).map((netdev) => netdev.replace(/.*hubid=/, "")),
    ["0", "0", "1", "1"],
  );
  const cards = optionsAfter("-device", changed).filter((device) => device.includes("netdev="));
  assert.equal(cards.slice(0, 2), [
    "vmxnet3,bus=port0,netdev=nic0,mac=52:54:00:77:65:01,romfile=",
    "virtio-net-pci,bus=port1,netdev=nic1,mac=52:54:00:77:65:02,romfile=",
  ]);
  assert.equal(
    optionsAfter("-device", changed).filter((device) => device.startsWith("pcie-root-port,")),
    [0, 1, 2, 3].map((index) => `pcie-root-port,id=port${index},chassis=${index + 1}`),
  );
  assert.throws(() => qemuArguments({ ...options, nics: ["virtio"] }), /joined two by two/);
});

test("the clock is declared reliable only where the processor is emulated", () => {
  assert.match(
    kernelCommandLine({ accelerator: "tcg", verbose: false, virtualTime: false }),
    /\btsc=reliable\b/,
  );
  assert.not.match(kernelCommandLine({ accelerator: "kvm", verbose: false, virtualTime: false }), /tsc=/);
});

test("in virtual time the processors take turns, and the clock needs no calibration", () => {
  assert.equal(optionsAfter("-icount"), []);
  assert.equal(optionsAfter("-icount", { virtualTime: true }), ["shift=0,sleep=off"]);
  assert.match(optionsAfter("-accel", { virtualTime: true })[0]!, /thread=single/);
  assert.match(optionsAfter("-append", { virtualTime: true })[0]!, /\btsc_early_khz=1000000\b/);
});

test.run();
