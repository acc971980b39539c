import { type CaseResult, type Report, score } from "./conformance.js";

const marks = { ok: "ok", miss: "no", untold: "–" } as const;

/** Reports side by side as a Markdown table, a case a row, and below it what each plugin does instead. */
export function table(reports: readonly Report[]): string {
  const [first] = reports;
  const lines = [
    `| | ${reports.map(({ title }) => title).join(" | ")} |`,
    `| --- | ${reports.map(() => "---").join(" | ")} |`,
    `| **speaks** | ${reports.map(({ versions }) => range(versions)).join(" | ")} |`,
  ];
  let section = "";
  for (const [row, { title, level, section: own }] of (first?.results ?? []).entries()) {
    if (own !== section) lines.push(`| **${own}** | ${reports.map(() => "").join(" | ")} |`);
    section = own;
    const name = level === "must" ? title : `_${title}_`;
    lines.push(`| ${name} | ${reports.map(({ results }) => marks[results[row]!.outcome]).join(" | ")} |`);
  }
  lines.push(`| **in all** | ${reports.map(score).join(" | ")} |`);
  for (const { title, results } of reports) {
    const misses = results.filter(({ outcome }) => outcome === "miss");
    if (misses.length > 0) lines.push("", `What ${title} does instead:`, "", ...misses.map(line));
  }
  return `${lines.join("\n")}\n`;
}

function line({ title, miss = "" }: CaseResult): string {
  return `- ${title}: \`${miss.replaceAll("`", "'")}\``;
}

function range(versions: readonly string[]): string {
  return versions.length === 0 ? "nothing" : `${versions[0]} to ${versions.at(-1)}`;
}
