import { fetchContainerd } from "@weir/test-e2e/clients";
import type { Progress } from "@weir/test-vm";
import { fetchAndBuild } from "./index.js";

/** The last containerd that speaks the kubelet's version of the container runtime interface, v1alpha2. */
export const CONTAINERD_SUITE = "trixie";

/** Fetches and builds all that the tests of this package run, so that they find it in the cache. */
export async function prepareClusterTests(progress?: Progress): Promise<void> {
  await fetchAndBuild(progress);
  await fetchContainerd(CONTAINERD_SUITE, progress);
}
