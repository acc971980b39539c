import { kubernetesTools } from "@weir/test-deploy/tools";
import type { Progress } from "@weir/test-vm";
import { fetchEtcd } from "./etcd.js";
import { buildKubernetes, type KubernetesPrograms } from "./kubernetes.js";

/** Paths of all programs that a cluster takes. */
export interface ClusterPrograms extends KubernetesPrograms {
  readonly etcd: string;
  readonly kubectl: string;
  readonly helm: string;
}

/**
 * Fetches etcd, unpacks kubectl and helm, and builds the API server and the kubelet; all of it stays in the cache, and later
 * calls ask no network.
 */
export async function fetchAndBuild(progress?: Progress): Promise<ClusterPrograms> {
  const etcd = await fetchEtcd(progress);
  return { etcd, ...kubernetesTools(), ...(await buildKubernetes(progress)) };
}
