import { type AttachmentRecord, Shaper, type ShaperOptions } from "@weir/shaper";

/** The attachments that are recorded on the node, read again only after something has changed. */
export class Records {
  readonly #options: ShaperOptions;
  #byId = new Map<string, AttachmentRecord>();
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
    this.#stale = false;
    this.lastReadMs = performance.now() - since;
    return this.#byId;
  }

  /** One attachment. */
  get(id: string): AttachmentRecord | undefined {
    return this.all.get(id);
  }

  /** The attachments of a namespace. */
  inNamespace(netns: string): AttachmentRecord[] {
    return [...this.all.values()].filter((record) => record.netns === netns);
  }
}
