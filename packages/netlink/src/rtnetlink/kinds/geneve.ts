import { ipAddress } from "../../schema/address.js";
import { attributes } from "../../schema/attributes.js";
import { bool8, once, present, u8, u16be, u32, u32be } from "../../schema/codec.js";
import { struct } from "../../schema/struct.js";
import { dontFragment } from "./vxlan.js";

/** The source ports that a Geneve device chooses among. */
export const genevePortRange = struct("ifla_geneve_port_range", { low: u16be, high: u16be });

/** geneve: include/uapi/linux/if_link.h, enum IFLA_GENEVE_*. */
export const geneveData = once(() =>
  attributes({
    id: [1, "IFLA_GENEVE_ID", u32],
    remote: [2, "IFLA_GENEVE_REMOTE", ipAddress],
    ttl: [3, "IFLA_GENEVE_TTL", u8],
    tos: [4, "IFLA_GENEVE_TOS", u8],
    port: [5, "IFLA_GENEVE_PORT", u16be],
    collectMetadata: [6, "IFLA_GENEVE_COLLECT_METADATA", present],
    remote6: [7, "IFLA_GENEVE_REMOTE6", ipAddress],
    udpChecksum: [8, "IFLA_GENEVE_UDP_CSUM", bool8],
    udpZeroChecksum6Tx: [9, "IFLA_GENEVE_UDP_ZERO_CSUM6_TX", bool8],
    udpZeroChecksum6Rx: [10, "IFLA_GENEVE_UDP_ZERO_CSUM6_RX", bool8],
    label: [11, "IFLA_GENEVE_LABEL", u32be],
    ttlInherit: [12, "IFLA_GENEVE_TTL_INHERIT", bool8],
    dontFragment: [13, "IFLA_GENEVE_DF", dontFragment],
    innerProtocolInherit: [14, "IFLA_GENEVE_INNER_PROTO_INHERIT", present],
    portRange: [15, "IFLA_GENEVE_PORT_RANGE", genevePortRange],
    groHint: [16, "IFLA_GENEVE_GRO_HINT", present],
    local: [17, "IFLA_GENEVE_LOCAL", ipAddress],
    local6: [18, "IFLA_GENEVE_LOCAL6", ipAddress],
  }),
);
