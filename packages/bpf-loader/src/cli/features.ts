import { release } from "node:os";
import { type FeatureReport, features, type MapType, type MiscFeature, type ProgramType } from "../index.js";
import { type ExitCode, exitCode } from "./errors.js";
import { type CellLike, formatTable } from "./table.js";
import type { Style, Terminal } from "./terminal.js";

/** Options of `weir-bpf features`. */
export interface FeaturesOptions {
  readonly json?: boolean;
  /** Print the names of the helpers too. */
  readonly full?: boolean;
}

/** `weir-bpf features`: what the running kernel can do with BPF, found out by trying. */
export function printFeatures(options: FeaturesOptions, terminal: Terminal): ExitCode {
  const report = features.report();
  if (options.json) terminal.printJson({ kernel: release(), ...report });
  else terminal.print(describe(report, options.full === true, terminal));
  return exitCode.OK;
}

function describe(report: FeatureReport, full: boolean, { style }: Terminal): string {
  const { bold, dim } = style;
  const parts = [`${bold(`Linux ${release()}`)} ${process.arch}`];
  const table = (title: string, headings: readonly string[], rows: readonly (readonly CellLike[])[]) =>
    parts.push(`${bold(title)}\n${formatTable(headings, rows, dim)}`);

  table("System", ["setting", "value", "meaning"], systemRows(report));
  const options = Object.entries(report.system.kernelConfig);
  if (options.length > 0) {
    table(
      "Kernel configuration",
      ["option", "value"],
      options.map(([name, value]) => [name, value ?? { text: "not set", style: dim }]),
    );
  }
  table(
    "Program types",
    ["type", "available", " helpers", "since"],
    Object.entries(report.programTypes).map(([type, has]) => [
      type,
      yesOrNo(has, style),
      has ? report.helpers[type]?.length : undefined,
      since({ programType: type as ProgramType }),
    ]),
  );
  table(
    "Map types",
    ["type", "available", "since"],
    Object.entries(report.mapTypes).map(([type, has]) => [
      type,
      yesOrNo(has, style),
      since({ mapType: type as MapType }),
    ]),
  );
  table(
    "Other features",
    ["feature", "available", "since"],
    Object.entries(report.misc).map(([name, has]) => [
      name,
      yesOrNo(has, style),
      since({ misc: name as MiscFeature }),
    ]),
  );
  if (full) {
    for (const [type, names] of Object.entries(report.helpers)) {
      if (names.length > 0) parts.push(`${bold(`Helpers of ${type}`)}\n${columns(names)}`);
    }
  } else parts.push(dim("The names of the helpers: weir-bpf features --full"));
  return parts.join("\n\n");
}

function since(what: Parameters<typeof features.since>[0]): string | undefined {
  const version = features.since(what);
  return version && `Linux ${version}`;
}

function yesOrNo(has: boolean, style: Record<Style, (text: string) => string>): CellLike {
  return has ? { text: "yes", style: style.green } : { text: "no", style: style.red };
}

function systemRows({ system }: FeatureReport): CellLike[][] {
  const unprivileged = ["anyone may load some programs", "only CAP_BPF, for good", "only CAP_BPF"];
  const rows: [name: string, value: number | undefined, meaning: string | undefined][] = [
    [
      "kernel.unprivileged_bpf_disabled",
      system.unprivilegedBpfDisabled,
      unprivileged[system.unprivilegedBpfDisabled ?? -1],
    ],
    [
      "net.core.bpf_jit_enable",
      system.jitEnable,
      ["programs are interpreted", "programs become machine code", "the same, dumped to the kernel's log"][
        system.jitEnable ?? -1
      ],
    ],
    [
      "net.core.bpf_jit_harden",
      system.jitHarden,
      [
        "constants are not blinded",
        "constants of unprivileged users are blinded",
        "all constants are blinded",
      ][system.jitHarden ?? -1],
    ],
    [
      "net.core.bpf_jit_kallsyms",
      system.jitKallsyms,
      ["symbols of programs are hidden", "root sees the symbols of programs"][system.jitKallsyms ?? -1],
    ],
    ["net.core.bpf_jit_limit", system.jitLimit, "bytes of machine code for unprivileged users"],
  ];
  return rows.map(([name, value, meaning]) => [name, value ?? "unknown", value === undefined ? "" : meaning]);
}

/** Names side by side, as `ls` prints them, in lines of at most 100 characters. */
function columns(names: readonly string[]): string {
  const width = names.reduce((widest, name) => Math.max(widest, name.length), 0) + 2;
  const perLine = Math.max(1, Math.floor(98 / width));
  const lines: string[] = [];
  for (let i = 0; i < names.length; i += perLine) {
    const line = names.slice(i, i + perLine).map((name) => name.padEnd(width));
    lines.push(`  ${line.join("")}`.trimEnd());
  }
  return lines.join("\n");
}
