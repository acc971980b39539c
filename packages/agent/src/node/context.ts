import type { ShaperOptions } from "@weir/shaper";
import type { Logger } from "pino";
import type { Settings } from "../config.js";
import type { AgentMetrics } from "../metrics/metrics.js";
import type { CniCache } from "../place/cni-cache.js";
import type { Pod } from "../pods/pod.js";
import type { Records } from "./records.js";

/** What the parts of an agent share. */
export interface Context {
  readonly shaper: ShaperOptions;
  readonly records: Records;
  readonly cache: CniCache;
  readonly metrics: AgentMetrics;
  readonly log: Logger;
  /** What is in force now. */
  readonly settings: () => Settings;
  /** What is known of the node's pods, by namespace and name. */
  readonly pods: ReadonlyMap<string, Pod>;
}
