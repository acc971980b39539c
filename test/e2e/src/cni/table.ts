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
    if (misses.length > 0) lines.push("", `What ${title} does instead:`, "", ...instead(misses));
  }
  return `${lines.join("\n")}\n`;
}

/** One line for each thing that a plugin does; what keeps it from many cases is told once. */
function instead(misses: readonly CaseResult[]): string[] {
  const titles = new Map<string, string[]>();
  for (const { title, miss = "" } of misses) titles.set(miss, [...(titles.get(miss) ?? []), title]);
  return [...titles].map(([miss, which]) => {
    const what = which.length > 3 ? `${which.length} cases` : which.join("; ");
    return `- ${what}: \`${miss.replaceAll("`", "'")}\``;
  });
}

function range(versions: readonly string[]): string {
  return versions.length === 0 ? "nothing" : `${versions[0]} to ${versions.at(-1)}`;
}
