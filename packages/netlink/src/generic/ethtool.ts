import { attributes, flagged, repeated } from "../schema/attributes.js";
import { binary, bool8, present, u8, u32 } from "../schema/codec.js";
import { flags } from "../schema/names.js";
import { string, stringUpTo } from "../schema/text.js";
import { genericFamily } from "./family.js";

/** Which device: enum ETHTOOL_A_HEADER_*. */
export const ethtoolHeader = attributes({
  index: [1, "ETHTOOL_A_HEADER_DEV_INDEX", u32],
  name: [2, "ETHTOOL_A_HEADER_DEV_NAME", stringUpTo(128)],
  flags: [3, "ETHTOOL_A_HEADER_FLAGS", flags(u32, { compactBitsets: 1, omitReply: 2, stats: 4 })],
  phyIndex: [4, "ETHTOOL_A_HEADER_PHY_INDEX", u32],
});
const header = flagged(ethtoolHeader);

/** One bit of a set: enum ETHTOOL_A_BITSET_BIT_*. */
export const ethtoolBit = attributes({
  index: [1, "ETHTOOL_A_BITSET_BIT_INDEX", u32],
  name: [2, "ETHTOOL_A_BITSET_BIT_NAME", string],
  value: [3, "ETHTOOL_A_BITSET_BIT_VALUE", present],
});
const bits = attributes({ bits: [1, "ETHTOOL_A_BITSET_BITS_BIT", repeated(flagged(ethtoolBit))] });

/** A set of bits, by name or (compact) as bytes: enum ETHTOOL_A_BITSET_*. */
export const ethtoolBitset = attributes({
  noMask: [1, "ETHTOOL_A_BITSET_NOMASK", present],
  size: [2, "ETHTOOL_A_BITSET_SIZE", u32],
  bits: [3, "ETHTOOL_A_BITSET_BITS", flagged(bits)],
  value: [4, "ETHTOOL_A_BITSET_VALUE", binary],
  mask: [5, "ETHTOOL_A_BITSET_MASK", binary],
});
const bitset = flagged(ethtoolBitset);

/** A device's offloads: enum ETHTOOL_A_FEATURES_*. */
export const ethtoolFeatures = attributes({
  header: [1, "ETHTOOL_A_FEATURES_HEADER", header],
  hardware: [2, "ETHTOOL_A_FEATURES_HW", bitset],
  wanted: [3, "ETHTOOL_A_FEATURES_WANTED", bitset],
  active: [4, "ETHTOOL_A_FEATURES_ACTIVE", bitset],
  noChange: [5, "ETHTOOL_A_FEATURES_NOCHANGE", bitset],
});

/** The sizes of a device's rings, in packets: enum ETHTOOL_A_RINGS_*. */
export const ethtoolRings = attributes({
  header: [1, "ETHTOOL_A_RINGS_HEADER", header],
  rxMaximum: [2, "ETHTOOL_A_RINGS_RX_MAX", u32],
  rxMiniMaximum: [3, "ETHTOOL_A_RINGS_RX_MINI_MAX", u32],
  rxJumboMaximum: [4, "ETHTOOL_A_RINGS_RX_JUMBO_MAX", u32],
  txMaximum: [5, "ETHTOOL_A_RINGS_TX_MAX", u32],
  rx: [6, "ETHTOOL_A_RINGS_RX", u32],
  rxMini: [7, "ETHTOOL_A_RINGS_RX_MINI", u32],
  rxJumbo: [8, "ETHTOOL_A_RINGS_RX_JUMBO", u32],
  tx: [9, "ETHTOOL_A_RINGS_TX", u32],
  rxBufferBytes: [10, "ETHTOOL_A_RINGS_RX_BUF_LEN", u32],
  tcpDataSplit: [11, "ETHTOOL_A_RINGS_TCP_DATA_SPLIT", u8],
  completionBytes: [12, "ETHTOOL_A_RINGS_CQE_SIZE", u32],
  txPush: [13, "ETHTOOL_A_RINGS_TX_PUSH", bool8],
  rxPush: [14, "ETHTOOL_A_RINGS_RX_PUSH", bool8],
  txPushBufferBytes: [15, "ETHTOOL_A_RINGS_TX_PUSH_BUF_LEN", u32],
  txPushBufferMaximumBytes: [16, "ETHTOOL_A_RINGS_TX_PUSH_BUF_LEN_MAX", u32],
  headerSplitThreshold: [17, "ETHTOOL_A_RINGS_HDS_THRESH", u32],
  headerSplitThresholdMaximum: [18, "ETHTOOL_A_RINGS_HDS_THRESH_MAX", u32],
});

/** How many channels a device has: enum ETHTOOL_A_CHANNELS_*. */
export const ethtoolChannels = attributes({
  header: [1, "ETHTOOL_A_CHANNELS_HEADER", header],
  rxMaximum: [2, "ETHTOOL_A_CHANNELS_RX_MAX", u32],
  txMaximum: [3, "ETHTOOL_A_CHANNELS_TX_MAX", u32],
  otherMaximum: [4, "ETHTOOL_A_CHANNELS_OTHER_MAX", u32],
  combinedMaximum: [5, "ETHTOOL_A_CHANNELS_COMBINED_MAX", u32],
  rx: [6, "ETHTOOL_A_CHANNELS_RX_COUNT", u32],
  tx: [7, "ETHTOOL_A_CHANNELS_TX_COUNT", u32],
  other: [8, "ETHTOOL_A_CHANNELS_OTHER_COUNT", u32],
  combined: [9, "ETHTOOL_A_CHANNELS_COMBINED_COUNT", u32],
});

/** When a device raises interrupts: enum ETHTOOL_A_COALESCE_*. */
export const ethtoolCoalesce = attributes({
  header: [1, "ETHTOOL_A_COALESCE_HEADER", header],
  rxUs: [2, "ETHTOOL_A_COALESCE_RX_USECS", u32],
  rxMaxFrames: [3, "ETHTOOL_A_COALESCE_RX_MAX_FRAMES", u32],
  rxIrqUs: [4, "ETHTOOL_A_COALESCE_RX_USECS_IRQ", u32],
  rxIrqMaxFrames: [5, "ETHTOOL_A_COALESCE_RX_MAX_FRAMES_IRQ", u32],
  txUs: [6, "ETHTOOL_A_COALESCE_TX_USECS", u32],
  txMaxFrames: [7, "ETHTOOL_A_COALESCE_TX_MAX_FRAMES", u32],
  txIrqUs: [8, "ETHTOOL_A_COALESCE_TX_USECS_IRQ", u32],
  txIrqMaxFrames: [9, "ETHTOOL_A_COALESCE_TX_MAX_FRAMES_IRQ", u32],
  statsBlockUs: [10, "ETHTOOL_A_COALESCE_STATS_BLOCK_USECS", u32],
  adaptiveRx: [11, "ETHTOOL_A_COALESCE_USE_ADAPTIVE_RX", bool8],
  adaptiveTx: [12, "ETHTOOL_A_COALESCE_USE_ADAPTIVE_TX", bool8],
  packetRateLow: [13, "ETHTOOL_A_COALESCE_PKT_RATE_LOW", u32],
  rxLowUs: [14, "ETHTOOL_A_COALESCE_RX_USECS_LOW", u32],
  rxLowMaxFrames: [15, "ETHTOOL_A_COALESCE_RX_MAX_FRAMES_LOW", u32],
  txLowUs: [16, "ETHTOOL_A_COALESCE_TX_USECS_LOW", u32],
  txLowMaxFrames: [17, "ETHTOOL_A_COALESCE_TX_MAX_FRAMES_LOW", u32],
  packetRateHigh: [18, "ETHTOOL_A_COALESCE_PKT_RATE_HIGH", u32],
  rxHighUs: [19, "ETHTOOL_A_COALESCE_RX_USECS_HIGH", u32],
  rxHighMaxFrames: [20, "ETHTOOL_A_COALESCE_RX_MAX_FRAMES_HIGH", u32],
  txHighUs: [21, "ETHTOOL_A_COALESCE_TX_USECS_HIGH", u32],
  txHighMaxFrames: [22, "ETHTOOL_A_COALESCE_TX_MAX_FRAMES_HIGH", u32],
  sampleIntervalSeconds: [23, "ETHTOOL_A_COALESCE_RATE_SAMPLE_INTERVAL", u32],
  completionModeTx: [24, "ETHTOOL_A_COALESCE_USE_CQE_MODE_TX", bool8],
  completionModeRx: [25, "ETHTOOL_A_COALESCE_USE_CQE_MODE_RX", bool8],
  txAggregateMaxBytes: [26, "ETHTOOL_A_COALESCE_TX_AGGR_MAX_BYTES", u32],
  txAggregateMaxFrames: [27, "ETHTOOL_A_COALESCE_TX_AGGR_MAX_FRAMES", u32],
  txAggregateUs: [28, "ETHTOOL_A_COALESCE_TX_AGGR_TIME_USECS", u32],
});

/** Whether a device has a link: enum ETHTOOL_A_LINKSTATE_*. */
export const ethtoolLinkState = attributes({
  header: [1, "ETHTOOL_A_LINKSTATE_HEADER", header],
  link: [2, "ETHTOOL_A_LINKSTATE_LINK", bool8],
  signalQuality: [3, "ETHTOOL_A_LINKSTATE_SQI", u32],
  signalQualityMaximum: [4, "ETHTOOL_A_LINKSTATE_SQI_MAX", u32],
  extendedState: [5, "ETHTOOL_A_LINKSTATE_EXT_STATE", u8],
  extendedSubstate: [6, "ETHTOOL_A_LINKSTATE_EXT_SUBSTATE", u8],
  downCount: [7, "ETHTOOL_A_LINKSTATE_EXT_DOWN_CNT", u32],
});

/**
 * ethtool: include/uapi/linux/ethtool_netlink.h, which numbers requests and answers apart. Linux 5.6 or later. Older
 * kernels want an empty `header` for dumps too.
 */
export const ethtool = genericFamily({
  name: "ethtool",
  version: 1,
  commands: {
    linkState: {
      constant: "ETHTOOL_MSG_LINKSTATE_GET",
      id: 6,
      replyId: 6,
      replyConstant: "ETHTOOL_MSG_LINKSTATE_GET_REPLY",
      request: ethtoolLinkState,
    },
    features: {
      constant: "ETHTOOL_MSG_FEATURES_GET",
      id: 11,
      replyId: 11,
      replyConstant: "ETHTOOL_MSG_FEATURES_GET_REPLY",
      request: ethtoolFeatures,
    },
    setFeatures: {
      constant: "ETHTOOL_MSG_FEATURES_SET",
      id: 12,
      replyId: 12,
      replyConstant: "ETHTOOL_MSG_FEATURES_SET_REPLY",
      request: ethtoolFeatures,
    },
    rings: {
      constant: "ETHTOOL_MSG_RINGS_GET",
      id: 15,
      replyId: 16,
      replyConstant: "ETHTOOL_MSG_RINGS_GET_REPLY",
      request: ethtoolRings,
    },
    setRings: {
      constant: "ETHTOOL_MSG_RINGS_SET",
      id: 16,
      replyId: 17,
      replyConstant: "ETHTOOL_MSG_RINGS_NTF",
      request: ethtoolRings,
    },
    channels: {
      constant: "ETHTOOL_MSG_CHANNELS_GET",
      id: 17,
      replyId: 18,
      replyConstant: "ETHTOOL_MSG_CHANNELS_GET_REPLY",
      request: ethtoolChannels,
    },
    setChannels: {
      constant: "ETHTOOL_MSG_CHANNELS_SET",
      id: 18,
      replyId: 19,
      replyConstant: "ETHTOOL_MSG_CHANNELS_NTF",
      request: ethtoolChannels,
    },
    coalesce: {
      constant: "ETHTOOL_MSG_COALESCE_GET",
      id: 19,
      replyId: 20,
      replyConstant: "ETHTOOL_MSG_COALESCE_GET_REPLY",
      request: ethtoolCoalesce,
    },
    setCoalesce: {
      constant: "ETHTOOL_MSG_COALESCE_SET",
      id: 20,
      replyId: 21,
      replyConstant: "ETHTOOL_MSG_COALESCE_NTF",
      request: ethtoolCoalesce,
    },
  },
  notifications: {
    featuresChanged: { constant: "ETHTOOL_MSG_FEATURES_NTF", id: 13, attributes: ethtoolFeatures },
  },
});

/** The names of a bitset's bits that are on; not of a compact one, which has bytes in their place. */
export function bitNames(set: ReturnType<typeof ethtoolBitset.decode>): string[] {
  const all = set?.bits?.bits ?? [];
  // Without a mask the list has only the bits that are on: net/ethtool/bitset.c, ethnl_put_bitset32.
  return all.filter(({ value }) => value || set?.noMask).map(({ name, index }) => name ?? String(index));
}
