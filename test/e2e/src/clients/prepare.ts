import type { Progress } from "@weir/test-vm";
import { buildCnitool } from "./cnitool.js";
import { CONTAINERDS, fetchContainerd } from "./containerd.js";
import { fetchNewerPlugins } from "./plugins.js";
import { fetchPodman } from "./podman.js";

/** Fetches and builds every client, on a machine with a network; later calls find all of it in the cache. */
export async function prepareClients(progress: Progress): Promise<void> {
  for (const { suite } of CONTAINERDS) await fetchContainerd(suite, progress);
  await fetchNewerPlugins(progress);
  await fetchPodman(progress);
  await buildCnitool(progress);
}
