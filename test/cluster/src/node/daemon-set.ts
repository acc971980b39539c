import type { V1DaemonSet, V1Pod } from "@kubernetes/client-node";

/** The pod that the controller and the scheduler would make of a DaemonSet for a node; there is neither of them here. */
export function podOf(set: V1DaemonSet, node: string): V1Pod {
  const { metadata, spec } = set.spec!.template;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, name: `${set.metadata!.name}-${node}`, namespace: set.metadata!.namespace! },
    spec: { ...spec!, nodeName: node },
  };
}
