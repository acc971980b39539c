import type { FailedProgram, LoadReport, RunReport } from "./load.js";
import { mapFlagNames } from "./report.js";
import { type CellLike, formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

/** Prints what `load` did: tables on standard output, what failed and why on standard error. */
export function printLoad(
  file: string,
  report: LoadReport,
  failed: readonly FailedProgram[],
  wantedPins: boolean,
  terminal: Terminal,
): void {
  const { bold, dim, green, red } = terminal.style;
  const parts: string[] = [];
  if (report.programs.length > 0) {
    const rows = report.programs.map((program): CellLike[] => [
      { text: program.name, style: bold },
      program.section,
      program.type ?? "unknown",
      program.loaded
        ? { text: "loaded", style: green }
        : program.error === null
          ? { text: "not asked for", style: dim }
          : { text: "FAILED", style: red },
      program.id,
      program.tag,
      program.translatedSize,
      program.jitedSize,
    ]);
    const headings = ["name", "section", "type", "state", " id", "tag", " translated", " jited"];
    parts.push(`${bold("Programs")}\n${formatTable(headings, rows, dim)}`);
  }
  if (report.maps.length > 0) {
    const rows = report.maps.map((map): CellLike[] => [
      { text: map.name, style: bold },
      map.type,
      map.keySize,
      map.valueSize,
      map.maxEntries,
      mapFlagNames(map.flags),
      map.loaded ? { text: "created", style: green } : { text: "not created", style: dim },
      map.id ?? undefined,
    ]);
    const headings = ["name", "type", " key", " value", " entries", "flags", "state", " id"];
    parts.push(`${bold("Maps")}\n${formatTable(headings, rows, dim)}`);
  }
  if (report.run && report.run.error === undefined) parts.push(describeRun(report.run, bold));
  if (report.pinned !== null) parts.push(`Pinned in ${bold(report.pinned)}`);
  terminal.print(parts.length > 0 ? parts.join("\n\n") : "The object holds no programs and no maps.");

  for (const { names, message, lastLines, logLines } of grouped(failed)) {
    const more = logLines > lastLines.length ? ` (the last of ${logLines} lines; --log FILE keeps all)` : "";
    terminal.complain(`\nweir-bpf: ${listed(names)} of ${file} did not load: ${message}${more}`);
    for (const line of lastLines) terminal.complain(`    ${line}`);
  }
  if (report.error !== null)
    terminal.complain(`\nweir-bpf: ${file} did not load as a whole: ${report.error}`);
  if (report.run?.error !== undefined)
    terminal.complain(`\nweir-bpf: the test run of "${report.run.program}" failed: ${report.run.error}`);
  if (wantedPins && report.pinned === null) terminal.complain("weir-bpf: nothing was pinned");
}

interface FailedPrograms extends Omit<FailedProgram, "name" | "message"> {
  readonly names: string[];
  message: string;
}

/** Programs that failed for the same reason, in one group; those with a log of their own stay alone. */
function grouped(failed: readonly FailedProgram[]): FailedPrograms[] {
  const groups = new Map<string, FailedPrograms>();
  for (const { name, ...rest } of failed) {
    // The program's own name may be part of its reason.
    const reason = rest.message.replaceAll(`program "${name}"`, "it");
    const group = groups.get(reason);
    if (group && rest.lastLines.length === 0 && group.lastLines.length === 0) {
      group.names.push(name);
      group.message = reason;
    } else groups.set(rest.lastLines.length === 0 ? reason : name, { ...rest, names: [name] });
  }
  return [...groups.values()];
}

/** How many names a sentence has. */
const NAMES = 5;

function listed(names: readonly string[]): string {
  const quoted = names.slice(0, NAMES).map((name) => `"${name}"`);
  const more = names.length > NAMES ? ` and ${names.length - NAMES} more` : "";
  return `${names.length === 1 ? "program" : "programs"} ${quoted.join(", ")}${more}`;
}

function describeRun(run: RunReport, bold: (text: string) => string): string {
  const value = run.returnValue!;
  const signed = value | 0;
  const meanings = [`0x${value.toString(16)}`, ...(signed < 0 ? [String(signed)] : [])];
  const lines = [
    `${bold("Test run")} of ${run.program}: returned ${bold(String(value))} (${meanings.join(", ")}) in ${run.durationNs} ns`,
  ];
  if (run.data) lines.push(...hexDump("data", run.data));
  if (run.context) lines.push(...hexDump("context", run.context));
  return lines.join("\n");
}

/** Bytes as `xxd` prints them, at most 8 lines. */
function hexDump(title: string, bytes: Uint8Array): string[] {
  const lines = [`  ${title} afterwards, ${bytes.length} bytes:`];
  for (let at = 0; at < bytes.length && at < 128; at += 16) {
    const part = Buffer.from(bytes.subarray(at, at + 16));
    const text = part.toString("latin1").replace(/[^ -~]/g, ".");
    const digits = part.toString("hex").replace(/..../g, "$& ").trimEnd();
    lines.push(`    ${at.toString(16).padStart(4, "0")}: ${digits.padEnd(39)}  ${text}`);
  }
  if (bytes.length > 128) lines.push("    ...");
  return lines;
}
