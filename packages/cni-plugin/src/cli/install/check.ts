import { existsSync } from "node:fs";
import { join } from "node:path";
import { isCompiled } from "./compile.js";
import { checkServable, ENTRY, hasWeir } from "./conflist.js";
import { scanConflists } from "./conflist-files.js";
import { runningFolder } from "./executable.js";

/** Something about the installation of the plugin. */
export interface Finding {
  /** Whether pods suffer from it. */
  readonly fault: boolean;
  /** One sentence. */
  readonly message: string;
  /** What to do. */
  readonly remedy?: string;
}

/** Looks at the folders of plugins and configurations as a runtime does. */
export function inspectInstallation({ binDir, confDir }: { binDir: string; confDir: string }): Finding[] {
  const { conflists, problems } = scanConflists(confDir);
  const ours = conflists.filter(hasWeir);
  const executable = join(binDir, "weir");
  const findings: Finding[] = [];
  if (ours.length === 0) {
    findings.push({
      fault: false,
      message: `no network in ${confDir} has weir in its chain, so that new pods are not shaped by it`,
      remedy: "weir install --network NAME",
    });
  } else if (!existsSync(executable)) {
    // In a container that has the one folder of the node and not the other, nobody can tell.
    findings.push({
      fault: existsSync(binDir),
      message: `${executable} is missing, but ${ours[0]!.file} has weir in its chain: no pod of that network can start`,
      remedy: "weir install, or weir uninstall",
    });
  }
  const folder = runningFolder(binDir);
  if (folder !== undefined && !isCompiled(folder)) {
    findings.push({
      fault: false,
      message: `${executable} is not compiled for Node.js ${process.version}, so that an ADD that no server answers takes some 40 ms longer`,
      remedy: "weir install",
    });
  }
  for (const conflist of ours) {
    const entry = conflist.plugins.find(({ type }) => type === ENTRY.type);
    if (entry?.capabilities?.bandwidth !== true) {
      findings.push({
        fault: true,
        message: `weir's entry in ${conflist.file} lacks "capabilities": {"bandwidth": true}, so that pods' annotations do not reach it`,
        remedy: `weir install --conflist ${conflist.file}`,
      });
    }
    try {
      checkServable(conflist);
    } catch (error) {
      const { message, remedy } = error as Error & { remedy?: string };
      findings.push({ fault: true, message, ...(remedy === undefined ? {} : { remedy }) });
    }
  }
  for (const message of problems) findings.push({ fault: false, message: `not looked at: ${message}` });
  return findings;
}
