import { fileURLToPath } from "node:url";
import { fetchContainerd } from "@weir/test-e2e/clients";
import type { Progress } from "@weir/test-vm";
import { runProgram } from "../process/run.js";
import { fetchAndBuild } from "./index.js";

/** The last containerd that speaks the kubelet's version of the container runtime interface, v1alpha2. */
export const CONTAINERD_SUITE = "trixie";

/** Where the image is that the tests run as a DaemonSet, and what it is called. */
export const WEIR_IMAGE = {
  archive: fileURLToPath(new URL("../../../../dist/weir-image.tar", import.meta.url)),
  repository: "docker.io/library/weir",
  tag: "cluster-test",
};

/** Fetches and builds all that the tests of this package run, so that they find it in the cache. */
export async function prepareClusterTests(progress?: Progress): Promise<void> {
  await fetchAndBuild(progress);
  await fetchContainerd(CONTAINERD_SUITE, progress);
  progress?.("building the image");
  const { repository, tag, archive } = WEIR_IMAGE;
  const script = fileURLToPath(new URL("../../../../scripts/image.mjs", import.meta.url));
  await runProgram(process.execPath, [script, "--name", `${repository}:${tag}`, "--output", archive], {
    env: { ...process.env, WEIR_PREPARED: "1" },
  });
}
