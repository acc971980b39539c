import { checkRequirements, type Requirement, Shaper } from "@weir/shaper";
import { firstLine } from "../cni/explain.js";
import type { Printable } from "../json.js";
import { interfaceName, podName } from "./attachments.js";
import type { Context } from "./commands.js";
import { type ExitCode, exitCode } from "./errors.js";
import { type Finding, inspectInstallation } from "./install/check.js";
import { inspectAll, type Known, statusJson } from "./status.js";
import { formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

/** What `weir doctor` looks at beside the kernel. */
export interface DoctorOptions {
  /** The folder of CNI plugins. */
  readonly binDir: string;
  /** The folder of CNI configurations. */
  readonly confDir: string;
}

/** `weir doctor`: the exit code says whether the node can shape pods, and whether all is as it should be. */
export function doctor(given: DoctorOptions, { terminal, options, json }: Context): ExitCode {
  const requirements = checkRequirements(options);
  const findings = inspectInstallation(given);
  using shaper = Shaper.open(options);
  const all = inspectAll(shaper);
  const missing = requirements.filter(({ ok, required }) => required && !ok);
  const ill = all.filter(({ healthy }) => !healthy);
  const faults = findings.filter(({ fault }) => fault);
  const verdict =
    missing.length > 0 ? exitCode.FAILED : ill.length + faults.length > 0 ? exitCode.FOUND : exitCode.OK;
  if (json) {
    terminal.printJson({
      ok: missing.length === 0,
      requirements: requirements as unknown as Printable,
      installation: findings as unknown as Printable,
      attachments: all.map((one) => statusJson(one)),
    });
    return verdict;
  }
  printRequirements(requirements, terminal);
  printRemedies(requirements, findings, all, terminal);
  const { style } = terminal;
  terminal.print("");
  if (missing.length > 0) {
    terminal.print(
      style.red(`This node cannot shape pods: ${missing.map(({ name }) => name).join(", ")} missing.`),
    );
  } else terminal.print(style.green("This node can shape pods."));
  const count = `${all.length} ${all.length === 1 ? "attachment" : "attachments"}, ${ill.length} with problems.`;
  terminal.print(ill.length > 0 ? style.yellow(count) : count);
  return verdict;
}

function printRequirements(
  requirements: readonly Requirement[],
  { print, style, columns: width }: Terminal,
): void {
  const columns = [
    { title: "REQUIREMENT" },
    { title: "THERE" },
    { title: "WHAT FOR", optional: 1 },
    { title: "DETAIL", shorten: { from: "end", to: 24 } },
  ] as const;
  const rows = requirements.map(({ name, what, ok, required, detail }) => [
    { text: name, style: style.bold },
    ok
      ? { text: "yes", style: style.green }
      : required
        ? { text: "NO", style: style.red }
        : { text: "no (optional)", style: style.yellow },
    { text: what, style: style.dim },
    firstLine(detail),
  ]);
  print(formatTable(columns, rows, width));
}

/** What is wrong and what to do about it: the node first, since pods suffer from what it lacks. */
function printRemedies(
  requirements: readonly Requirement[],
  findings: readonly Finding[],
  all: readonly Known[],
  { print, style }: Terminal,
): void {
  const lines: { severe: boolean; text: string; remedy?: string | undefined }[] = [
    ...requirements
      .filter(({ ok, remedy }) => !ok && remedy)
      .map(({ name, required, what, detail, remedy }) => ({
        severe: required,
        text: `${style.bold(name)} is missing, ${what}: ${firstLine(detail)}`,
        remedy,
      })),
    ...findings.map(({ message, remedy, fault }) => ({ severe: fault, text: message, remedy })),
    ...all.flatMap(({ record, problems }) =>
      problems.map(({ message, remedy }) => ({
        severe: true,
        text: `${style.bold(interfaceName(record))}: ${message}`,
        remedy,
      })),
    ),
    ...all.flatMap(guardFinding),
  ];
  if (lines.length === 0) return;
  print("");
  for (const { severe, text, remedy } of lines) {
    print(`${severe ? style.red("fault") : style.yellow("note ")}  ${text}`);
    if (remedy) print(`       ${style.bold("do:")} ${remedy}`);
  }
}

/** What the guard dropped says that the pod sends past its own qdiscs. */
function guardFinding({ record, guard }: Known): { severe: boolean; text: string; remedy: string }[] {
  const dropped = guard?.counters?.dropped ?? 0n;
  if (dropped === 0n) return [];
  return [
    {
      severe: false,
      text: `${podName(record)}: the guard dropped ${dropped} packets that came past the pod's own limit`,
      remedy:
        "Something in the pod sends round its qdiscs, or has changed them: look at who has CAP_NET_RAW there.",
    },
  ];
}
