export type { Attachment, PodIdentity } from "./attachment.js";
export type { GcReport } from "./collection.js";
export type { Counters } from "./datapath.js";
export type { DirectionState } from "./entries.js";
export { ShaperError, type ShaperErrorCode } from "./errors.js";
export type { GsoRecord, GsoState } from "./gso.js";
export type { GuardRecord, GuardState } from "./guard/guard.js";
export type { GuardCounters } from "./guard/maps.js";
export type { GuardOptions } from "./guard/options.js";
export type { Inspection } from "./inspection.js";
export {
  type Direction,
  directions,
  type Limit,
  type Limits,
  MAX_BITS_PER_SECOND,
  MAX_HORIZON_MS,
  MIN_BITS_PER_SECOND,
  sameLimits,
  validateLimits,
} from "./limits.js";
export { DEFAULT_BPFFS, DEFAULT_STATE_DIRECTORY, type ShaperOptions } from "./options.js";
export type { Problem } from "./problem.js";
export { parseQuantity } from "./quantity.js";
export { type AttachmentRecord, attachmentOf, type FoundQdisc } from "./records.js";
export { checkRequirements, type Requirement } from "./requirements.js";
export { Shaper } from "./shaper.js";
export { removeTraces, Trace, type TraceCounts, type TraceOptions, type TraceSample } from "./trace/trace.js";
export {
  DEFAULT_WEIGHT,
  MAX_UPLINK_BITS_PER_SECOND,
  MAX_WEIGHT,
  MIN_UPLINK_BITS_PER_SECOND,
  type UplinkRates,
} from "./uplink/rates.js";
export type { Uplink } from "./uplink/uplinks.js";
