import type { Encodable } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import type { estimator } from "./tc-schema.js";

/** How the kernel estimates rates, which then stand in `stats.estimate`. */
export interface EstimatorOptions {
  /** How often it looks. */
  readonly intervalMs: 250 | 500 | 1000 | 2000 | 4000 | 8000;
  /** Over how long it averages: more than the interval. */
  readonly averageMs: number;
}

/** The struct that the kernel takes: an interval of 2^n quarters of a second, and a weight of 2^-n: net/core/gen_estimator.c. */
export function estimatorToWire({ intervalMs, averageMs }: EstimatorOptions): Encodable<typeof estimator> {
  const interval = Math.log2(intervalMs / 1000);
  if (!Number.isInteger(interval) || interval < -2 || interval > 3)
    throw new NetlinkEncodeError(
      `intervalMs is ${intervalMs}, which is none of 250, 500, 1000, 2000, 4000, 8000`,
    );
  // An average of weight 2^-n forgets all but 1/e of what it knew within the interval divided by -ln(1 - 2^-n).
  let ewmaLog = 0;
  while (ewmaLog < 30 && intervalMs / -Math.log(1 - 2 ** -(ewmaLog + 1)) <= averageMs) ewmaLog++;
  if (ewmaLog === 0 || ewmaLog === 30)
    throw new NetlinkEncodeError(
      `averageMs is ${averageMs}, which does not go with an interval of ${intervalMs}`,
    );
  return { interval, ewmaLog };
}
