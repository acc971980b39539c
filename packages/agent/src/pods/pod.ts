import type { AttachmentRecord, PodIdentity } from "@weir/shaper";

/** What the agent keeps of a pod: a list of thousands of whole ones would not fit into its memory. */
export interface Pod extends PodIdentity {
  uid: string;
  /** Other names that runtimes give the uid: a static pod is made with the hash of its file. */
  otherUids: string[];
  /** The annotations that say something of bandwidth. */
  annotations: { [name: string]: string };
  /** It has the node's own network, or has ended: there is nothing to shape. */
  exempt: boolean;
  /** It has an address, so that its interfaces must be there. */
  hasNetwork: boolean;
  resourceVersion: string;
}

/** The annotations that name a pod's limits. */
export const annotationOf = {
  egress: "kubernetes.io/egress-bandwidth",
  ingress: "kubernetes.io/ingress-bandwidth",
} as const;

/** What Multus attaches to a pod. */
export const NETWORKS_ANNOTATION = "k8s.v1.cni.cncf.io/networks";

const kept: readonly string[] = [annotationOf.egress, annotationOf.ingress, NETWORKS_ANNOTATION];
const uidAnnotations = ["kubernetes.io/config.hash", "kubernetes.io/config.mirror"];

/** A pod's name among all of a cluster's. */
export function keyOf({ namespace, name }: Pick<PodIdentity, "namespace" | "name">): string {
  return `${namespace}/${name}`;
}

/** Whose an attachment is, as the log names it: its pod, or the attachment's own id where no pod is known. */
export function nameInLog({
  id,
  pod,
}: Pick<AttachmentRecord, "id" | "pod">): { pod: string } | { id: string } {
  return pod ? { pod: keyOf(pod) } : { id };
}

/** What counts of a Pod object of the API; undefined where it is none. */
export function podOf(object: unknown): Pod | undefined {
  const { metadata, spec, status } = (object ?? {}) as PodObject;
  const { namespace, name, uid, resourceVersion = "" } = metadata ?? {};
  if (typeof namespace !== "string" || typeof name !== "string" || typeof uid !== "string") return undefined;
  const all = metadata?.annotations ?? {};
  const annotations: Pod["annotations"] = {};
  for (const annotation of kept) {
    const value = all[annotation];
    if (typeof value === "string") annotations[annotation] = value;
  }
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  return {
    namespace,
    name,
    uid,
    otherUids: uidAnnotations.flatMap((annotation) => all[annotation] ?? []),
    annotations,
    exempt: spec?.hostNetwork === true || ended,
    hasNetwork: Boolean(status?.podIP),
    resourceVersion,
  };
}

/** Whether a runtime's name for a pod means this one, and not an earlier one of its name. */
export function isPod(pod: Pod, { namespace, name, uid }: PodIdentity): boolean {
  if (pod.namespace !== namespace || pod.name !== name) return false;
  return uid === undefined || uid === pod.uid || pod.otherUids.includes(uid);
}

interface PodObject {
  metadata?: {
    namespace?: unknown;
    name?: unknown;
    uid?: unknown;
    resourceVersion?: string;
    annotations?: { [name: string]: string };
  };
  spec?: { hostNetwork?: boolean };
  status?: { phase?: string; podIP?: string };
}
