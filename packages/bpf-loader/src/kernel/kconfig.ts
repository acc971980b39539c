import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { version as unameVersion } from "node:os";
import { kernelVersion } from "@weir/syscall";
import { hostLittleEndian } from "../asm.js";
import { features } from "../features/probe.js";
import { BpfObjectError } from "../object/error.js";
import { type ExternSpec, kconfigSize } from "../object/externs.js";
import { hasSymbol } from "./kallsyms.js";

/** bpf_get_attach_cookie of include/uapi/linux/bpf.h. */
const GET_ATTACH_COOKIE = 174;

/** The bytes of section ".kconfig", and what is wrong with the options that have no value. */
export interface KconfigValues {
  readonly bytes: Uint8Array;
  readonly problems: ReadonlyMap<ExternSpec, BpfObjectError>;
}

/**
 * Finds the values of kernel options, by libbpf's rules (bpf_object__resolve_externs).
 * @param text lines such as "CONFIG_HZ=250" that go before the kernel's own configuration
 */
export function kconfigValues(externs: Iterable<ExternSpec>, text = ""): KconfigValues {
  const all = [...externs].filter((extern) => extern.kconfig);
  const bytes = new Uint8Array(kconfigSize(all));
  const problems = new Map<ExternSpec, BpfObjectError>();
  let wanted = new Map<string, ExternSpec>();
  const write = (extern: ExternSpec, work: () => Uint8Array) => {
    try {
      bytes.set(work(), extern.kconfig!.offset);
    } catch (error) {
      if (!(error instanceof BpfObjectError)) throw error;
      problems.set(extern, error);
    }
  };
  for (const extern of all) {
    if (extern.name.startsWith("CONFIG_")) wanted.set(extern.name, extern);
    else write(extern, () => virtualOption(extern));
  }
  let configuration: string | undefined = text;
  for (const source of [() => text, kernelConfiguration]) {
    if (wanted.size === 0) break;
    configuration = source();
    const values = findOptions(configuration ?? "", wanted);
    for (const [name, value] of values)
      write(wanted.get(name)!, () => encodeOption(wanted.get(name)!, value));
    wanted = new Map([...wanted].filter(([name]) => !values.has(name)));
  }
  for (const extern of wanted.values()) {
    if (extern.weak) continue;
    const why =
      configuration === undefined
        ? `is not known: there is neither ${configurationPath()} nor /proc/config.gz; give load its value (kconfig)`
        : "is not set in the kernel's configuration";
    problems.set(extern, problem(extern, why));
  }
  return { bytes, problems };
}

/** The value of each wanted option in a configuration: "y", "250", "\"text\"". The first line that sets one counts. */
export function findOptions(text: string, wanted: ReadonlyMap<string, unknown>): Map<string, string> {
  const values = new Map<string, string>();
  for (const name of wanted.keys()) {
    const line = `${name}=`;
    let at = text.indexOf(line);
    while (at > 0 && text[at - 1] !== "\n") at = text.indexOf(line, at + 1);
    if (at === -1) continue;
    const end = text.indexOf("\n", at);
    values.set(name, text.slice(at + line.length, end === -1 ? undefined : end));
  }
  return values;
}

/** The bytes of an option for the type that a program gives it. Throws {@link BpfObjectError} where they do not fit. */
export function encodeOption(extern: ExternSpec, value: string): Uint8Array {
  const { type, size } = extern.kconfig!;
  if (value === "y" || value === "n" || value === "m") {
    if (type === "tristate") return integer(BigInt("nym".indexOf(value)), size);
    if (type === "char") return Uint8Array.of(value.charCodeAt(0));
    if (type === "bool" && value !== "m") return Uint8Array.of(value === "y" ? 1 : 0);
    throw problem(extern, `is "${value}", which a variable of type ${type} cannot hold`);
  }
  if (value.startsWith('"')) {
    if (type !== "string") throw problem(extern, `is ${value}, which a variable of type ${type} cannot hold`);
    if (value.length < 2 || !value.endsWith('"')) throw problem(extern, `is the broken string ${value}`);
    // Cut to what fits with its NUL, as libbpf does.
    return new TextEncoder().encode(value.slice(1, -1)).subarray(0, size - 1);
  }
  if (type === "bool") throw problem(extern, `is ${value}, which a variable of type bool cannot hold`);
  return number(extern, parseInteger(extern, value));
}

function virtualOption(extern: ExternSpec): Uint8Array {
  switch (extern.name) {
    case "LINUX_KERNEL_VERSION":
      return number(extern, BigInt(versionCode()));
    case "LINUX_HAS_BPF_COOKIE":
      return number(extern, features.helper("tracepoint", GET_ATTACH_COOKIE) ? 1n : 0n);
    case "LINUX_HAS_SYSCALL_WRAPPER":
      return number(extern, hasSyscallWrapper() ? 1n : 0n);
    default:
      if (extern.weak && extern.name.startsWith("LINUX_")) return number(extern, 0n);
      throw problem(extern, "is neither CONFIG_... nor one of the LINUX_... values that loaders know");
  }
}

/** KERNEL_VERSION(major, minor, patch). Debian keeps the patch level of its kernels in `uname -v` alone. */
export function versionCode(): number {
  const debian = /Debian (\d+)\.(\d+)\.(\d+)/.exec(unameVersion());
  const { major, minor, patch } = kernelVersion();
  const [a, b, c] = debian ? debian.slice(1).map(Number) : [major, minor, patch];
  return (a! << 16) | (b! << 8) | Math.min(c!, 255);
}

// Since 4.17 system calls take their arguments through a wrapper on some machines (CONFIG_ARCH_HAS_SYSCALL_WRAPPER).
function hasSyscallWrapper(): boolean {
  const prefixes: Partial<Record<string, string>> = {
    x64: "x64",
    arm64: "arm64",
    s390x: "s390x",
    riscv64: "riscv",
  };
  const prefix = prefixes[process.arch];
  return prefix !== undefined && hasSymbol(`__${prefix}_sys_bpf`);
}

function number(extern: ExternSpec, value: bigint): Uint8Array {
  const { type, size, signed } = extern.kconfig!;
  if (type !== "int" && type !== "char" && !(type === "bool" && value <= 1n))
    throw problem(extern, `is the number ${value}, which a variable of type ${type} cannot hold`);
  const bits = size * 8;
  const fits =
    bits === 64 ||
    BigInt.asUintN(64, value) ===
      BigInt.asUintN(64, signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value));
  if (!fits)
    throw problem(extern, `is ${value}, which does not fit ${size} bytes${signed ? " with a sign" : ""}`);
  return integer(value, size);
}

function integer(value: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), hostLittleEndian);
  return hostLittleEndian ? bytes.subarray(0, size) : bytes.subarray(8 - size);
}

// strtoull with base 0: decimal, hexadecimal or octal, with a sign that wraps around.
function parseInteger(extern: ExternSpec, text: string): bigint {
  const [, sign, digits] = /^([+-]?)(0[xX][0-9a-fA-F]+|\d+)$/.exec(text) ?? [];
  const octal = digits !== undefined && /^0\d/.test(digits);
  if (digits === undefined || (octal && /[89]/.test(digits)))
    throw problem(extern, `is ${text || "empty"}, which is no number`);
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  if (value >= 2n ** 64n) throw problem(extern, `is ${text}, which has more than 64 bits`);
  return BigInt.asUintN(64, sign === "-" ? -value : value);
}

function configurationPath(): string {
  return `/boot/config-${kernelVersion().release}`;
}

/** The configuration of the running kernel as text; undefined if it is nowhere to be found. */
function kernelConfiguration(): string | undefined {
  if (existsSync(configurationPath())) return readFileSync(configurationPath(), "latin1");
  if (!existsSync("/proc/config.gz")) return undefined;
  // Loaded here alone: it takes longer than most objects do.
  const { gunzipSync } = createRequire("/")("node:zlib") as typeof import("node:zlib");
  return gunzipSync(readFileSync("/proc/config.gz")).toString("latin1");
}

function problem(extern: ExternSpec, what: string): BpfObjectError {
  return new BpfObjectError("BPF_EXTERN", `kernel option "${extern.name}" ${what}`);
}
