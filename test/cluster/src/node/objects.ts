import { type CoreV1Api, PatchStrategy, setHeaderOptions, type V1Pod } from "@kubernetes/client-node";

/** The annotations of a pod's limits. */
export function bandwidth(egress?: string, ingress?: string): Record<string, string | null> {
  return {
    "kubernetes.io/egress-bandwidth": egress ?? null,
    "kubernetes.io/ingress-bandwidth": ingress ?? null,
  };
}

/** Makes a node without a kubelet. */
export async function createNode(core: CoreV1Api, name: string): Promise<void> {
  await core.createNode({ body: { metadata: { name } } });
}

/**
 * Makes a pod of namespace default that looks as if the node's kubelet ran it.
 * @param annotations those of no value are left out
 * @returns its uid
 */
export async function createPod(
  core: CoreV1Api,
  options: { name: string; node: string; annotations?: Record<string, string | null>; address?: string },
): Promise<string> {
  const { name, node, annotations = {}, address = "172.51.1.1" } = options;
  const namespace = "default";
  const given = Object.entries(annotations).filter((entry): entry is [string, string] => entry[1] !== null);
  const pod = await core.createNamespacedPod({
    namespace,
    body: {
      metadata: { name, annotations: Object.fromEntries(given) },
      spec: {
        nodeName: node,
        containers: [{ name: "main", image: "weir.test/pause:1" }],
        terminationGracePeriodSeconds: 0,
      },
    },
  });
  const now = new Date();
  const status: V1Pod["status"] = {
    phase: "Running",
    podIP: address,
    podIPs: [{ ip: address }],
    startTime: now,
    conditions: ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
      type,
      status: "True",
    })),
    containerStatuses: [
      {
        name: "main",
        image: "weir.test/pause:1",
        imageID: "",
        ready: true,
        restartCount: 0,
        state: { running: { startedAt: now } },
      },
    ],
  };
  await core.patchNamespacedPodStatus({ name, namespace, body: { status } }, merge);
  return pod.metadata!.uid!;
}

/** Changes annotations of a pod of namespace default; null takes one away. */
export async function annotate(
  core: CoreV1Api,
  name: string,
  annotations: Record<string, string | null>,
): Promise<void> {
  const body = { metadata: { annotations } };
  await core.patchNamespacedPod({ name, namespace: "default", body }, merge);
}

const merge = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
