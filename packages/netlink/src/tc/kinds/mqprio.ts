import { attributes, repeated } from "../../schema/attributes.js";
import { type Decoded, type Encodable, once, orUnknown, u8, u16, u32 } from "../../schema/codec.js";
import { NetlinkEncodeError } from "../../schema/errors.js";
import { message } from "../../schema/message-body.js";
import { enumeration } from "../../schema/names.js";
import { array, struct } from "../../schema/struct.js";
import { bitRate64 } from "../units.js";

/** Traffic classes, the priorities that go to them, and the queues that they have. */
export const mqprioQopt = struct("tc_mqprio_qopt", {
  classCount: u8,
  priomap: array(u8, 16),
  hardware: u8,
  count: array(u16, 16),
  offset: array(u16, 16),
});

/** The least rates of the traffic classes: a nest of TCA_MQPRIO_MIN_RATE64. */
export const mqprioMinRates = once(() =>
  attributes({ bitsPerSecond: [3, "TCA_MQPRIO_MIN_RATE64", repeated(bitRate64)] }),
);
/** The greatest rates of the traffic classes: a nest of TCA_MQPRIO_MAX_RATE64. */
export const mqprioMaxRates = once(() =>
  attributes({ bitsPerSecond: [4, "TCA_MQPRIO_MAX_RATE64", repeated(bitRate64)] }),
);
/** What is particular to one traffic class: enum TCA_MQPRIO_TC_ENTRY_*. */
export const mqprioTrafficClass = once(() =>
  attributes({
    index: [1, "TCA_MQPRIO_TC_ENTRY_INDEX", u32],
    preemption: [2, "TCA_MQPRIO_TC_ENTRY_FP", enumeration(u32, { express: 1, preemptible: 2 })],
  }),
);

/** How the device shares its queues: enum TCA_MQPRIO_*. */
export const mqprioAttributes = once(() =>
  attributes({
    mode: [1, "TCA_MQPRIO_MODE", enumeration(u16, { dcb: 0, channel: 1 })],
    shaper: [2, "TCA_MQPRIO_SHAPER", enumeration(u16, { dcb: 0, bandwidthRate: 1 })],
    minRates: [3, "TCA_MQPRIO_MIN_RATE64", mqprioMinRates()],
    maxRates: [4, "TCA_MQPRIO_MAX_RATE64", mqprioMaxRates()],
    trafficClasses: [5, "TCA_MQPRIO_TC_ENTRY", repeated(mqprioTrafficClass())],
  }),
);

/** The mqprio qdisc on the wire: the struct, and attributes behind it (net/sched/sch_mqprio.c). */
export const mqprioBody = once(() => orUnknown(message(mqprioQopt, mqprioAttributes())));

/** The mqprio qdisc: traffic classes that have queues of the device for themselves. */
export interface MqprioOptions {
  /** Which traffic class each of the 16 priorities goes to. */
  readonly priomap: readonly number[];
  /** The queues of each traffic class: how many, and which is the first. */
  readonly queues: readonly { readonly count: number; readonly offset: number }[];
  /** Whether the device itself sees to it. */
  readonly hardware: boolean;
  readonly mode?: "dcb" | "channel" | number | undefined;
  readonly shaper?: "dcb" | "bandwidthRate" | number | undefined;
  /** What each traffic class has at least, in bits per second. */
  readonly minBitsPerSecond?: readonly bigint[] | undefined;
  /** What each traffic class has at most, in bits per second. */
  readonly maxBitsPerSecond?: readonly bigint[] | undefined;
}
/** The mqprio qdisc's parameters to set; `hardware` is true unless given, as tc(8) has it. */
export type MqprioOptionsInput = Omit<MqprioOptions, "hardware"> & {
  readonly hardware?: boolean | undefined;
};

type Wire = ReturnType<typeof mqprioBody>;

/** The options as the kernel takes them. */
export function mqprioToWire(options: MqprioOptionsInput): Encodable<Wire> {
  const { priomap, queues, hardware = true, mode, shaper, minBitsPerSecond, maxBitsPerSecond } = options;
  if (queues.length < 1 || queues.length > 16)
    throw new NetlinkEncodeError(`${queues.length} is not a number of traffic classes from 1 to 16`);
  return {
    header: {
      classCount: queues.length,
      priomap,
      hardware: hardware ? 1 : 0,
      count: queues.map(({ count }) => count),
      offset: queues.map(({ offset }) => offset),
    },
    attributes: {
      mode,
      shaper,
      minRates: minBitsPerSecond && { bitsPerSecond: minBitsPerSecond },
      maxRates: maxBitsPerSecond && { bitsPerSecond: maxBitsPerSecond },
    },
  };
}

/** The options as the kernel reports them. */
export function mqprioFromWire({ header, attributes }: Decoded<Wire>): MqprioOptions {
  const { classCount, priomap, count, offset, hardware } = header;
  return {
    priomap,
    queues: count.slice(0, classCount).map((one, index) => ({ count: one, offset: offset[index] ?? 0 })),
    hardware: hardware !== 0,
    mode: attributes.mode,
    shaper: attributes.shaper,
    minBitsPerSecond: attributes.minRates?.bitsPerSecond,
    maxBitsPerSecond: attributes.maxRates?.bitsPerSecond,
  };
}
