import { attributes } from "../../schema/attributes.js";
import { once, orUnknown, s16, s32, s64, u32, u64 } from "../../schema/codec.js";
import { message } from "../../schema/message-body.js";
import { elements, struct } from "../../schema/struct.js";
import { probability32 } from "../units.js";

/** The oldest of netem's parameters; the times are in ticks, and superseded by the 64-bit attributes. */
export const netemQopt = struct("tc_netem_qopt", {
  latency: u32,
  limit: u32,
  loss: probability32,
  gap: u32,
  duplicate: probability32,
  jitter: u32,
});
/** How much each draw depends on the one before. */
export const netemCorrelation = struct("tc_netem_corr", {
  delay: probability32,
  loss: probability32,
  duplicate: probability32,
});
/** How often packets leave at once, overtaking those that are delayed. */
export const netemReorder = struct("tc_netem_reorder", {
  probability: probability32,
  correlation: probability32,
});
/** How often a bit of a packet is turned. */
export const netemCorrupt = struct("tc_netem_corrupt", {
  probability: probability32,
  correlation: probability32,
});
/** The rate in bytes per second, and how sizes are reckoned. */
export const netemRate = struct("tc_netem_rate", {
  rate: u32,
  packetOverheadBytes: s32,
  cellSizeBytes: u32,
  cellOverheadBytes: s32,
});
/** Packets are let go in bunches; times are in nanoseconds. */
export const netemSlot = struct("tc_netem_slot", {
  minDelayNs: s64,
  maxDelayNs: s64,
  maxPackets: s32,
  maxBytes: s32,
  distributionDelayNs: s64,
  distributionJitterNs: s64,
});
/** A loss model of four states: the probabilities of going from one to another. */
export const netemGiModel = struct("tc_netem_gimodel", {
  p13: probability32,
  p31: probability32,
  p32: probability32,
  p14: probability32,
  p23: probability32,
});
/** The loss model of Gilbert and Elliott: p into the bad state, r out of it; tc(8) takes 1 - h, and k1 as "1-k". */
export const netemGeModel = struct("tc_netem_gemodel", {
  p: probability32,
  r: probability32,
  h: probability32,
  k1: probability32,
});

/** Which loss model: enum NETEM_LOSS_*. */
export const netemLoss = once(() =>
  attributes({ state: [1, "NETEM_LOSS_GI", netemGiModel], gemodel: [2, "NETEM_LOSS_GE", netemGeModel] }),
);

/** netem's attributes: enum TCA_NETEM_* of include/uapi/linux/pkt_sched.h. */
export const netemAttributes = once(() =>
  attributes({
    correlation: [1, "TCA_NETEM_CORR", netemCorrelation],
    delayDistribution: [2, "TCA_NETEM_DELAY_DIST", elements(s16)],
    reorder: [3, "TCA_NETEM_REORDER", netemReorder],
    corrupt: [4, "TCA_NETEM_CORRUPT", netemCorrupt],
    loss: [5, "TCA_NETEM_LOSS", netemLoss()],
    rate: [6, "TCA_NETEM_RATE", netemRate],
    ecn: [7, "TCA_NETEM_ECN", u32],
    rate64: [8, "TCA_NETEM_RATE64", u64],
    latencyNs: [10, "TCA_NETEM_LATENCY64", s64],
    jitterNs: [11, "TCA_NETEM_JITTER64", s64],
    slot: [12, "TCA_NETEM_SLOT", netemSlot],
    slotDistribution: [13, "TCA_NETEM_SLOT_DIST", elements(s16)],
    seed: [14, "TCA_NETEM_PRNG_SEED", u64],
  }),
);

/** The netem qdisc on the wire: the struct, and attributes behind it (net/sched/sch_netem.c). */
export const netemBody = once(() => orUnknown(message(netemQopt, netemAttributes())));
