import type { Progress } from "@weir/test-vm";
import { buildCnitool } from "./cnitool.js";
import { CONTAINERDS, fetchContainerd } from "./containerd.js";
import { fetchNewerPlugins } from "./plugins.js";
import { fetchPodman } from "./podman.js";

/** The clients that run with every `npm test`; the others run when they are asked for. */
export const few: { readonly containerd: readonly string[] } = { containerd: ["1.7"] };

/** Whether every client is to run here: `WEIR_CLIENTS=few` leaves out those that take long. */
export const runsAll = process.env.WEIR_CLIENTS !== "few";

/** Fetches and builds clients, on a machine with a network; later calls find all of it in the cache. */
export async function prepareClients(which: "all" | "few", progress: Progress): Promise<void> {
  for (const { version, suite } of CONTAINERDS) {
    if (which === "all" || few.containerd.includes(version)) await fetchContainerd(suite, progress);
  }
  if (which === "few") return;
  await fetchNewerPlugins(progress);
  await fetchPodman(progress);
  await buildCnitool(progress);
}
