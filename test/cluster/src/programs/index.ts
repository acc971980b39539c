import type { Progress } from "@weir/test-vm";
import { type CommandLines, fetchCommandLines } from "./command-lines.js";
import { fetchEtcd } from "./etcd.js";
import { buildKubernetes, type KubernetesPrograms } from "./kubernetes.js";

/** Paths of all programs that a cluster takes. */
export interface ClusterPrograms extends KubernetesPrograms, CommandLines {
  readonly etcd: string;
}

/**
 * Fetches etcd, kubectl and helm, and builds the API server and the kubelet; all of it stays in the cache, and later
 * calls ask no network.
 */
export async function fetchAndBuild(progress?: Progress): Promise<ClusterPrograms> {
  const etcd = await fetchEtcd(progress);
  const commandLines = await fetchCommandLines(progress);
  return { etcd, ...commandLines, ...(await buildKubernetes(progress)) };
}
