import { attributes } from "../schema/attributes.js";
import { s32, u32 } from "../schema/codec.js";
import { enumeration, flags64 } from "../schema/names.js";
import { uint } from "../schema/uint.js";
import { genericFamily } from "./family.js";

/** A device: enum NETDEV_A_DEV_*. */
export const netdevDevice = attributes({
  index: [1, "NETDEV_A_DEV_IFINDEX", u32],
  xdpFeatures: [
    3,
    "NETDEV_A_DEV_XDP_FEATURES",
    flags64({
      basic: 1n,
      redirect: 2n,
      ndoTransmit: 4n,
      xskZerocopy: 8n,
      hardwareOffload: 16n,
      rxScatterGather: 32n,
      ndoTransmitScatterGather: 64n,
    }),
  ],
  xdpZerocopyMaxSegments: [4, "NETDEV_A_DEV_XDP_ZC_MAX_SEGS", u32],
  xdpRxMetadataFeatures: [
    5,
    "NETDEV_A_DEV_XDP_RX_METADATA_FEATURES",
    flags64({ timestamp: 1n, hash: 2n, vlanTag: 4n }),
  ],
  xskFeatures: [
    6,
    "NETDEV_A_DEV_XSK_FEATURES",
    flags64({ txTimestamp: 1n, txChecksum: 2n, txLaunchTimeFifo: 4n }),
  ],
});

const queueType = enumeration(u32, { rx: 0, tx: 1 });

/** A queue: enum NETDEV_A_QUEUE_*. */
export const netdevQueue = attributes({
  id: [1, "NETDEV_A_QUEUE_ID", u32],
  index: [2, "NETDEV_A_QUEUE_IFINDEX", u32],
  type: [3, "NETDEV_A_QUEUE_TYPE", queueType],
  napiId: [4, "NETDEV_A_QUEUE_NAPI_ID", u32],
  dmabuf: [5, "NETDEV_A_QUEUE_DMABUF", u32],
});

/** A NAPI instance: enum NETDEV_A_NAPI_*. */
export const netdevNapi = attributes({
  index: [1, "NETDEV_A_NAPI_IFINDEX", u32],
  id: [2, "NETDEV_A_NAPI_ID", u32],
  irq: [3, "NETDEV_A_NAPI_IRQ", u32],
  pid: [4, "NETDEV_A_NAPI_PID", u32],
  deferHardIrqs: [5, "NETDEV_A_NAPI_DEFER_HARD_IRQS", s32],
  groFlushTimeoutNs: [6, "NETDEV_A_NAPI_GRO_FLUSH_TIMEOUT", uint],
  irqSuspendTimeoutNs: [7, "NETDEV_A_NAPI_IRQ_SUSPEND_TIMEOUT", uint],
  threaded: [8, "NETDEV_A_NAPI_THREADED", enumeration(u32, { disabled: 0, enabled: 1, busyPoll: 2 })],
});

/** Counters of a device or its queues: enum NETDEV_A_QSTATS_*. */
export const netdevQueueStats = attributes({
  index: [1, "NETDEV_A_QSTATS_IFINDEX", u32],
  queueType: [2, "NETDEV_A_QSTATS_QUEUE_TYPE", queueType],
  queueId: [3, "NETDEV_A_QSTATS_QUEUE_ID", u32],
  /** 1 asks for counters by queue. */
  scope: [4, "NETDEV_A_QSTATS_SCOPE", uint],
  rxPackets: [8, "NETDEV_A_QSTATS_RX_PACKETS", uint],
  rxBytes: [9, "NETDEV_A_QSTATS_RX_BYTES", uint],
  txPackets: [10, "NETDEV_A_QSTATS_TX_PACKETS", uint],
  txBytes: [11, "NETDEV_A_QSTATS_TX_BYTES", uint],
  rxAllocationFailures: [12, "NETDEV_A_QSTATS_RX_ALLOC_FAIL", uint],
  rxHardwareDrops: [13, "NETDEV_A_QSTATS_RX_HW_DROPS", uint],
  rxHardwareDropOverruns: [14, "NETDEV_A_QSTATS_RX_HW_DROP_OVERRUNS", uint],
  rxChecksumComplete: [15, "NETDEV_A_QSTATS_RX_CSUM_COMPLETE", uint],
  rxChecksumUnnecessary: [16, "NETDEV_A_QSTATS_RX_CSUM_UNNECESSARY", uint],
  rxChecksumNone: [17, "NETDEV_A_QSTATS_RX_CSUM_NONE", uint],
  rxChecksumBad: [18, "NETDEV_A_QSTATS_RX_CSUM_BAD", uint],
  rxHardwareGroPackets: [19, "NETDEV_A_QSTATS_RX_HW_GRO_PACKETS", uint],
  rxHardwareGroBytes: [20, "NETDEV_A_QSTATS_RX_HW_GRO_BYTES", uint],
  rxHardwareGroWirePackets: [21, "NETDEV_A_QSTATS_RX_HW_GRO_WIRE_PACKETS", uint],
  rxHardwareGroWireBytes: [22, "NETDEV_A_QSTATS_RX_HW_GRO_WIRE_BYTES", uint],
  rxHardwareDropRateLimits: [23, "NETDEV_A_QSTATS_RX_HW_DROP_RATELIMITS", uint],
  txHardwareDrops: [24, "NETDEV_A_QSTATS_TX_HW_DROPS", uint],
  txHardwareDropErrors: [25, "NETDEV_A_QSTATS_TX_HW_DROP_ERRORS", uint],
  txChecksumNone: [26, "NETDEV_A_QSTATS_TX_CSUM_NONE", uint],
  txNeedsChecksum: [27, "NETDEV_A_QSTATS_TX_NEEDS_CSUM", uint],
  txHardwareGsoPackets: [28, "NETDEV_A_QSTATS_TX_HW_GSO_PACKETS", uint],
  txHardwareGsoBytes: [29, "NETDEV_A_QSTATS_TX_HW_GSO_BYTES", uint],
  txHardwareGsoWirePackets: [30, "NETDEV_A_QSTATS_TX_HW_GSO_WIRE_PACKETS", uint],
  txHardwareGsoWireBytes: [31, "NETDEV_A_QSTATS_TX_HW_GSO_WIRE_BYTES", uint],
  txHardwareDropRateLimits: [32, "NETDEV_A_QSTATS_TX_HW_DROP_RATELIMITS", uint],
  txStop: [33, "NETDEV_A_QSTATS_TX_STOP", uint],
  txWake: [34, "NETDEV_A_QSTATS_TX_WAKE", uint],
});

/** netdev: include/uapi/linux/netdev.h; Linux 6.3 or later, queues and NAPI 6.7, counters 6.9. */
export const netdev = genericFamily({
  name: "netdev",
  version: 1,
  commands: {
    device: { constant: "NETDEV_CMD_DEV_GET", id: 1, request: netdevDevice },
    queue: { constant: "NETDEV_CMD_QUEUE_GET", id: 10, request: netdevQueue },
    napi: { constant: "NETDEV_CMD_NAPI_GET", id: 11, request: netdevNapi },
    queueStats: { constant: "NETDEV_CMD_QSTATS_GET", id: 12, request: netdevQueueStats },
  },
  notifications: {
    deviceAdded: { constant: "NETDEV_CMD_DEV_ADD_NTF", id: 2, attributes: netdevDevice },
    deviceRemoved: { constant: "NETDEV_CMD_DEV_DEL_NTF", id: 3, attributes: netdevDevice },
    deviceChanged: { constant: "NETDEV_CMD_DEV_CHANGE_NTF", id: 4, attributes: netdevDevice },
  },
});
