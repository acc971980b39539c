import { availableParallelism } from "node:os";
import { Bench, Miss, type Subject } from "./bench.js";
import { type Case, cases } from "./cases.js";
import { invoke, parsed } from "./invoke.js";

/** How a plugin did in one case. */
export interface CaseResult {
  section: string;
  title: string;
  level: "must" | "should";
  /** "untold": it does not speak the version that the case is about. */
  outcome: "ok" | "miss" | "untold";
  /** What it did instead. */
  miss?: string;
}

/** How a plugin did in all of them. */
export interface Report {
  title: string;
  /** The versions of the specification that it says it speaks. */
  versions: readonly string[];
  results: readonly CaseResult[];
}

/**
 * Puts a plugin to every case, each with a pod of its own, as many at a time as there are processors. It needs root and
 * a kernel with the pod's device.
 */
export async function examine(subject: Subject): Promise<Report> {
  const versions = await versionsOf(subject);
  const all = Object.entries(cases).flatMap(([section, list]) => list.map((one) => ({ ...one, section })));
  const results: CaseResult[] = [];
  const rest = all.entries();
  const worker = async () => {
    for (const [row, one] of rest) results[row] = await put(subject, versions, one);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return { title: subject.title, versions, results };
}

async function put(
  subject: Subject,
  versions: readonly string[],
  { section, title, level, since = "0.3.0", run }: Case & { section: string },
): Promise<CaseResult> {
  const cniVersion = versions.at(-1) ?? "0.3.0";
  if (cniVersion < since) return { section, title, level, outcome: "untold" };
  using bench = new Bench(subject, cniVersion, versions);
  try {
    await run(bench);
    return { section, title, level, outcome: "ok" };
  } catch (error) {
    if (!(error instanceof Miss)) throw error;
    return { section, title, level, outcome: "miss", miss: error.message };
  } finally {
    // Whatever the case left, this plugin's state on the node must not reach the next one.
    await bench.call("DEL");
  }
}

async function versionsOf({ executable, env }: Subject): Promise<string[]> {
  const input = '{"cniVersion":"1.0.0"}';
  const own = "/proc/self/ns/net";
  const { stdout } = await invoke(executable, own, { env: { CNI_COMMAND: "VERSION" }, input }, env);
  const { supportedVersions } = parsed(stdout) ?? {};
  return Array.isArray(supportedVersions) ? supportedVersions.map(String).sort() : [];
}

/** How many cases came out in each way: "31 of 33 must, 8 of 9 should". */
export function score({ results }: Report): string {
  return (["must", "should"] as const)
    .map((level) => {
      const asked = results.filter((result) => result.level === level && result.outcome !== "untold");
      return `${asked.filter(({ outcome }) => outcome === "ok").length} of ${asked.length} ${level}`;
    })
    .join(", ");
}
