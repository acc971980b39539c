import { readFileSync } from "node:fs";
import { cString, Struct } from "@weir/syscall";
import { misc } from "../features/misc.js";
import { type AttachType, attachTypeTable } from "../names/tables.js";
import { linkCreateKprobeMulti, linkCreateUprobeMulti } from "./attributes.js";
import {
  type AttachableProgram,
  createLink,
  LINK_CREATE,
  type NeededFeature,
  requireType,
  tracingCapabilities,
} from "./create.js";
import { resolveBinary, symbolOffset, symbolOffsets } from "./executable.js";
import { isPattern, matcher } from "./glob.js";
import type { BpfLink } from "./link.js";
import { readTracefs } from "./tracefs.js";

/** BPF_F_KPROBE_MULTI_RETURN and BPF_F_UPROBE_MULTI_RETURN. */
const MULTI_RETURN = 1;

/** How to attach to many kernel functions at once; give `symbols`, `addresses` or `pattern`. */
export interface KprobeMultiOptions {
  /** Functions by name. */
  readonly symbols?: readonly string[];
  /** Functions by address, as in /proc/kallsyms. */
  readonly addresses?: readonly bigint[];
  /** All functions that can be traced and fit, such as "tcp_*". */
  readonly pattern?: string;
  /** One for each symbol or address, which bpf_get_attach_cookie gives to the program. */
  readonly cookies?: readonly bigint[];
  /** Run when a function returns. */
  readonly return?: boolean;
}

/** What {@link BpfProgram.attachKprobeMulti} does. */
export function attachKprobeMulti(program: AttachableProgram, options: KprobeMultiOptions): BpfLink {
  requireType(program, "attachKprobeMulti", "kprobe");
  const { addresses, cookies, pattern } = options;
  const action = `attach program "${program.name}" to kernel functions`;
  const given = [options.symbols, addresses, pattern].filter((choice) => choice !== undefined);
  if (given.length !== 1) throw new RangeError("give one of symbols, addresses and pattern");
  const symbols = pattern === undefined ? options.symbols : traceable(pattern, action);
  const count = symbols?.length ?? addresses!.length;
  requireSame(count, cookies);
  const session = program.expectedAttachType === "trace_kprobe_session";
  const attr = linkCreateKprobeMulti.build({
    progFd: program.fd.number,
    attachType: attachTypeTable.number(session ? "trace_kprobe_session" : "trace_kprobe_multi"),
    multiFlags: options.return ? MULTI_RETURN : 0,
    count,
    symbols: symbols ? pointers(symbols) : null,
    addresses: addresses ? numbers(addresses) : null,
    cookies: cookies ? numbers(cookies) : null,
  });
  const feature: NeededFeature = session
    ? { name: "kprobe sessions", since: "6.10" }
    : {
        name: "links to many kernel functions (kprobe.multi)",
        since: "5.18",
        has: () => misc("kprobe_multi"),
      };
  return createLink(
    LINK_CREATE,
    attr,
    `kprobe.multi link of ${program.name}`,
    action,
    tracingCapabilities,
    feature,
  );
}

/** How to attach to many functions of a file; give `symbols`, `offsets` or `pattern`. */
export interface UprobeMultiOptions {
  /** Functions by name. */
  readonly symbols?: readonly string[];
  /** Places in the file. */
  readonly offsets?: readonly (number | bigint)[];
  /** All functions that fit, such as "uv_*". */
  readonly pattern?: string;
  /** One for each symbol or offset, which bpf_get_attach_cookie gives to the program. */
  readonly cookies?: readonly bigint[];
  /** One for each symbol or offset: where in the file a counter stands that tells how many watch. */
  readonly refCounterOffsets?: readonly (number | bigint)[];
  /** Run for this process alone. */
  readonly pid?: number;
  /** Run when a function returns. */
  readonly return?: boolean;
}

/** What {@link BpfProgram.attachUprobeMulti} does. */
export function attachUprobeMulti(
  program: AttachableProgram,
  path: string,
  options: UprobeMultiOptions,
): BpfLink {
  requireType(program, "attachUprobeMulti", "kprobe");
  const { symbols, pattern, cookies, refCounterOffsets, pid } = options;
  const given = [symbols, options.offsets, pattern].filter((choice) => choice !== undefined);
  if (given.length !== 1) throw new RangeError("give one of symbols, offsets and pattern");
  const file = resolveBinary(path);
  const offsets =
    pattern === undefined
      ? (symbols?.map((symbol) => symbolOffset(file, symbol)) ?? options.offsets!)
      : symbolOffsets(file, matcher(pattern), `"${pattern}"`).map(({ offset }) => offset);
  requireSame(offsets.length, cookies);
  requireSame(offsets.length, refCounterOffsets);
  const session = program.expectedAttachType === "trace_uprobe_session";
  const attachType: AttachType = session ? "trace_uprobe_session" : "trace_uprobe_multi";
  const attr = linkCreateUprobeMulti.build({
    progFd: program.fd.number,
    attachType: attachTypeTable.number(attachType),
    path: cString(file),
    offsets: numbers(offsets),
    refCounterOffsets: refCounterOffsets ? numbers(refCounterOffsets) : null,
    cookies: cookies ? numbers(cookies) : null,
    count: offsets.length,
    multiFlags: options.return ? MULTI_RETURN : 0,
    pid: pid ?? 0,
  });
  const feature: NeededFeature = session
    ? { name: "uprobe sessions", since: "6.13" }
    : {
        name: "links to many functions of a file (uprobe.multi)",
        since: "6.6",
        has: () => misc("uprobe_multi"),
      };
  const action = `attach program "${program.name}" to ${offsets.length} functions of ${file}`;
  return createLink(
    LINK_CREATE,
    attr,
    `uprobe.multi link of ${program.name}`,
    action,
    tracingCapabilities,
    feature,
  );
}

function traceable(pattern: string, action: string): string[] {
  if (!isPattern(pattern)) return [pattern];
  const fits = matcher(pattern);
  const found = new Set<string>();
  for (const line of readTracefs("available_filter_functions", action).split("\n")) {
    // "tcp_ack" or, from a module, "xt_register [x_tables]"
    const name = line.split(" ", 1)[0]!;
    // Some lines stand for functions that are gone: __ftrace_invalid_address___120.
    if (name !== "" && fits(name) && !name.startsWith("__ftrace_invalid_address__")) found.add(name);
  }
  const names = unambiguous(found);
  if (names.length === 0)
    throw new RangeError(`could not ${action}: no function that can be traced fits "${pattern}"`);
  return names;
}

/**
 * Less the names that several functions have: the kernel refuses those, since it cannot tell which is meant. A symbol
 * stands once for each function in /proc/kallsyms.
 */
function unambiguous(names: ReadonlySet<string>): string[] {
  const seen = new Map<string, number>();
  for (const line of readFileSync("/proc/kallsyms", "latin1").split("\n")) {
    const name = /^\S+ [tTwW] (\S+)/.exec(line)?.[1];
    if (name !== undefined && names.has(name)) seen.set(name, (seen.get(name) ?? 0) + 1);
  }
  return [...names].filter((name) => seen.get(name) === 1);
}

function requireSame(count: number, values: readonly unknown[] | undefined): void {
  if (values && values.length !== count)
    throw new RangeError(`there are ${count} functions but ${values.length} values for them`);
}

function numbers(values: readonly (number | bigint)[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values, BigInt).buffer);
}

function pointers(texts: readonly string[]): Struct {
  const struct = new Struct(texts.length * 8);
  texts.forEach((text, i) => {
    struct.pointer(i * 8, cString(text));
  });
  return struct;
}
