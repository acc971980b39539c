import { type AttachmentRecord, type PodIdentity, Shaper, type ShaperOptions } from "@weir/shaper";
import { groupBy } from "../group-by.js";
import { keyOf } from "../pods/pod.js";

/** The attachments that are recorded on the node, read again only after something has changed. */
export class Records {
  readonly #options: ShaperOptions;
  #byId = new Map<string, AttachmentRecord>();
  #byPod = new Map<string, AttachmentRecord[]>();
  #byNamespace = new Map<string, AttachmentRecord[]>();
  #stale = true;
  /** How long the last reading took, by which others space theirs. */
  lastReadMs = 0;

  constructor(options: ShaperOptions) {
    this.#options = options;
  }

  /** Has the records read again when they are next asked for. */
  expire(): void {
    this.#stale = true;
  }

  /** Every attachment by its id. */
  get all(): ReadonlyMap<string, AttachmentRecord> {
    if (!this.#stale) return this.#byId;
    const since = performance.now();
    using shaper = Shaper.open(this.#options);
    this.#byId = new Map(shaper.list().map((record) => [record.id, record]));
    // Those that do not say whose they are stand under no name.
    this.#byPod = groupBy(this.#byId.values(), ({ pod }) => (pod ? keyOf(pod) : ""));
    this.#byNamespace = groupBy(this.#byId.values(), ({ netns }) => netns);
    this.#stale = false;
    this.lastReadMs = performance.now() - since;
    return this.#byId;
  }

  /** One attachment. */
  get(id: string): AttachmentRecord | undefined {
    return this.all.get(id);
  }

  /** The attachments of a namespace. */
  inNamespace(netns: string): readonly AttachmentRecord[] {
    return this.all.size > 0 ? (this.#byNamespace.get(netns) ?? []) : [];
  }

  /** The attachments of pods of this namespace and name, and those that do not say whose they are. */
  ofPod(pod: Pick<PodIdentity, "namespace" | "name">): AttachmentRecord[] {
    if (this.all.size === 0) return [];
    return [...(this.#byPod.get(keyOf(pod)) ?? []), ...(this.#byPod.get("") ?? [])];
  }
}
