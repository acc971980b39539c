import { Struct } from "@weir/syscall";
import { layout } from "./layout.js";

/** `struct __sk_buff` of include/uapi/linux/bpf.h: what a program that handles packets sees of one. */
const skBuff = layout({
  length: "u32",
  packetType: "u32",
  mark: "u32",
  queueMapping: "u32",
  protocol: "u32",
  vlanPresent: "u32",
  vlanTci: "u32",
  vlanProtocol: "u32",
  priority: "u32",
  ingressIfindex: "u32",
  ifindex: "u32",
  tcIndex: "u32",
  controlBlock: "u8[20]",
  hash: "u32",
  tcClassid: "u32",
  data: "u32",
  dataEnd: "u32",
  napiId: "u32",
  family: "u32",
  addressesAndPorts: "u8[48]",
  dataMeta: "u32",
  flowKeys: "u64",
  tstamp: "u64",
  wireLength: "u32",
  gsoSegments: "u32",
  socket: "u64",
  gsoSize: "u32",
  tstampType: "u32",
  hardwareTstamp: "u64",
});

/** The part of a packet's context that a test run takes, and gives back as the program left it. */
export interface SkbContext {
  mark: number;
  priority: number;
  /** A device of the current network namespace; 1 is loopback. */
  ifindex: number;
  /** `cb`: 20 bytes. */
  controlBlock: Uint8Array;
  /** Nanoseconds: when the packet came, or may leave. */
  tstamp: bigint;
  /** Bytes on the wire; at least the length of the packet. */
  wireLength: number;
  gsoSegments: number;
  gsoSize: number;
}

/** The bytes of a context for {@link BpfProgram.testRun}. All else must be zero (convert___skb_to_skb, net/bpf/test_run.c). */
export function encodeSkbContext(values: Partial<SkbContext>): Uint8Array {
  return skBuff.build(values).bytes;
}

/** What a test run left in the context. */
export function decodeSkbContext(bytes: Uint8Array): SkbContext {
  const struct = new Struct(skBuff.size);
  struct.bytes.set(bytes.subarray(0, skBuff.size));
  const { mark, priority, ifindex, controlBlock, tstamp, wireLength, gsoSegments, gsoSize } =
    skBuff.read(struct);
  return { mark, priority, ifindex, controlBlock, tstamp, wireLength, gsoSegments, gsoSize };
}
