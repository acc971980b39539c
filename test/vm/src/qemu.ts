import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { type NicModel, nicArguments } from "./nics.js";

/** How the guest's processor is made. */
export type Accelerator = "kvm" | "tcg";

/** The file descriptors that QEMU inherits: one connected socket for each of the guest's channels. */
export interface ChannelFds {
  readonly control: number;
  readonly stdout: number;
  readonly stderr: number;
  readonly console: number;
}

/** What decides QEMU's command line. */
export interface MachineOptions {
  readonly accelerator: Accelerator;
  readonly image: string;
  readonly initramfs: string;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** Whether the guest's time goes by the instructions that it executes; needs emulation. */
  readonly virtualTime: boolean;
  /** Host folders that the guest may write, each under the tag `share0`, `share1`... */
  readonly shares: readonly string[];
  /** Network cards, each two joined by a wire. */
  readonly nics: readonly NicModel[];
  /** Whether the kernel's messages below "error" reach the console. */
  readonly verbose: boolean;
  /** Whether QEMU runs as root, and so can give files any owner. */
  readonly root: boolean;
  readonly fds: ChannelFds;
}

/**
 * Chooses KVM where it works: the processor has it and the device opens. The device alone says nothing: inside
 * some virtual machines it is there, opens, and hangs.
 */
export function chooseAccelerator(cpuinfoFile = "/proc/cpuinfo", kvmDevice = "/dev/kvm"): Accelerator {
  if (!/^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync(cpuinfoFile, "utf8"))) return "tcg";
  try {
    closeSync(openSync(kvmDevice, constants.O_RDWR));
    return "kvm";
  } catch {
    return "tcg";
  }
}

/** The guest kernel's command line. */
export function kernelCommandLine(
  options: Pick<MachineOptions, "accelerator" | "verbose" | "virtualTime">,
): string {
  const words = [
    "console=ttyS0",
    options.verbose ? "loglevel=7" : "quiet",
    // Any failure of the kernel ends the run, with its last words on the console.
    "panic=-1",
    "oops=panic",
    "rdinit=/init",
    "mitigations=off",
    "nokaslr",
    "random.trust_cpu=on",
    "8250.nr_uarts=1",
    "audit=0",
    // Mounting cgroup2 on 5.10 waits for a dozen grace periods: 0.6 s idle, 8 s on a busy host.
    "rcupdate.rcu_expedited=1",
  ];
  if (options.accelerator === "tcg") {
    words.push("tsc=reliable", "no_timer_check");
    // The time-stamp counter counts virtual nanoseconds then: accel/tcg/tcg-accel-ops.c, icount_get.
    if (options.virtualTime) words.push("tsc_early_khz=1000000", "clocksource=tsc");
  }
  return words.join(" ");
}

/** QEMU's command line, without the program's name. */
export function qemuArguments(options: MachineOptions): string[] {
  const { fds } = options;
  const security = options.root ? "passthrough" : "none";
  const folder = (id: string, path: string, access: string): string[] => [
    "-fsdev",
    `local,id=${id},path=${doubleCommas(path)},security_model=${security},multidevs=remap${access}`,
    "-device",
    `virtio-9p-pci,fsdev=${id},mount_tag=${id}`,
  ];
  const port = (name: string, fd: number): string[] => [
    "-chardev",
    `socket,id=${name},fd=${fd}`,
    "-device",
    `virtserialport,chardev=${name},name=weir.${name}`,
  ];
  return [
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    ...["-display", "none"],
    ...["-name", "weir-vm"],
    ...machine(options),
    ...["-smp", String(options.cpus)],
    ...["-m", String(options.memoryMiB)],
    ...["-kernel", options.image],
    ...["-initrd", options.initramfs],
    ...["-append", kernelCommandLine(options)],
    ...["-chardev", `socket,id=console,fd=${fds.console}`, "-serial", "chardev:console"],
    ...["-device", "virtio-serial-pci"],
    ...port("control", fds.control),
    ...port("stdout", fds.stdout),
    ...port("stderr", fds.stderr),
    ...folder("host", "/", ",readonly=on"),
    ...options.shares.flatMap((path, index) => folder(`share${index}`, path, "")),
    ...nicArguments(options.nics),
  ];
}

function machine({ accelerator, virtualTime }: MachineOptions): string[] {
  if (accelerator === "kvm") return ["-machine", "q35", "-accel", "kvm", "-cpu", "host"];
  // Without "rep movsb is fast" (erms, fsrm), which makes the kernel copy with an instruction that QEMU emulates byte
  // by byte (TCP over loopback is 5 times slower with it), and without a fifth level of page tables to walk.
  return [
    ...["-machine", "q35"],
    // An instruction takes a nanosecond (2^shift), and while all CPUs wait, time goes on to the next timer at once. The
    // processors take turns then, in one thread.
    ...(virtualTime
      ? ["-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=0,sleep=off"]
      : ["-accel", "tcg,thread=multi,tb-size=512"]),
    ...["-cpu", "max,-erms,-fsrm,-la57"],
  ];
}

/** A comma separates QEMU's sub-options and is written twice inside one. */
function doubleCommas(value: string): string {
  return value.replaceAll(",", ",,");
}
