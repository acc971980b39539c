import { formatIpv4, formatIpv6, ipAddress, parseAddress } from "../schema/address.js";
import { attributes, flagged, repeated } from "../schema/attributes.js";
import { type Fixed, fixed, once, u8, u16, u32 } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { enumeration, flags } from "../schema/names.js";
import { padding, struct } from "../schema/struct.js";
import { routeProtocol } from "./route-schema.js";

/** The header of messages about multicast databases. */
export const bridgePortMessageHeader = struct("br_port_msg", { family: u8, pad: padding(3), index: u32 });

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const MAC_BYTES = 6;

/** The group: 16 bytes of an address, and the protocol that says which kind it is; 0 for a MAC address. */
const groupAddress: Fixed<string> = fixed(
  20,
  4,
  ({ bytes, view }, at) => {
    const protocol = view.getUint16(at + 16, false);
    if (protocol === ETH_P_IP) return formatIpv4(bytes, at);
    if (protocol === ETH_P_IPV6) return formatIpv6(bytes, at);
    const mac = Array.from(bytes.subarray(at, at + MAC_BYTES), (byte) => byte.toString(16).padStart(2, "0"));
    return mac.join(":");
  },
  ({ bytes, view }, at, value) => {
    if (typeof value === "string" && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)) {
      bytes.set(
        value.split(":").map((part) => Number.parseInt(part, 16)),
        at,
      );
      return;
    }
    const { family, bytes: address } = parseAddress(value);
    bytes.set(address, at);
    view.setUint16(at + 16, family === "ipv4" ? ETH_P_IP : ETH_P_IPV6, false);
  },
);

/** A port's membership of a group. */
export const mdbEntryHeader = struct("br_mdb_entry", {
  index: u32,
  state: enumeration(u8, { temporary: 0, permanent: 1 }),
  flags: flags(u8, { offloaded: 1, fastLeave: 2, starExclude: 4, blocked: 8, offloadFailed: 16 }),
  vlan: u16,
  group: groupAddress,
});

const filterMode = enumeration(u8, { exclude: 0, include: 1 });

/** A sender that a group's filter names: enum MDBA_MDB_SRCATTR_*. The timer is in hundredths of a second. */
export const mdbSource = attributes({
  address: [1, "MDBA_MDB_SRCATTR_ADDRESS", ipAddress],
  timer: [2, "MDBA_MDB_SRCATTR_TIMER", u32],
});
const sourceList = attributes({ sources: [1, "MDBA_MDB_SRCLIST_ENTRY", repeated(flagged(mdbSource))] });

/** What the kernel says of an entry: enum MDBA_MDB_EATTR_*. The timer is in hundredths of a second. */
export const mdbEntryAttributes = attributes({
  timer: [1, "MDBA_MDB_EATTR_TIMER", u32],
  sourceList: [2, "MDBA_MDB_EATTR_SRC_LIST", sourceList],
  filterMode: [3, "MDBA_MDB_EATTR_GROUP_MODE", filterMode],
  source: [4, "MDBA_MDB_EATTR_SOURCE", ipAddress],
  protocol: [5, "MDBA_MDB_EATTR_RTPROT", routeProtocol],
  destination: [6, "MDBA_MDB_EATTR_DST", ipAddress],
  destinationPort: [7, "MDBA_MDB_EATTR_DST_PORT", u16],
  vni: [8, "MDBA_MDB_EATTR_VNI", u32],
  via: [9, "MDBA_MDB_EATTR_IFINDEX", u32],
  sourceVni: [10, "MDBA_MDB_EATTR_SRC_VNI", u32],
});
const entry = attributes({
  members: [1, "MDBA_MDB_ENTRY_INFO", repeated(message(mdbEntryHeader, mdbEntryAttributes))],
});
const entries = attributes({ groups: [1, "MDBA_MDB_ENTRY", repeated(entry)] });

/** A port behind which there is a multicast router: enum MDBA_ROUTER_PATTR_*. Timers in hundredths of a second. */
export const mdbRouterAttributes = attributes({
  timer: [1, "MDBA_ROUTER_PATTR_TIMER", u32],
  type: [2, "MDBA_ROUTER_PATTR_TYPE", enumeration(u8, { disabled: 0, learn: 1, permanent: 2, temporary: 3 })],
  ipv4Timer: [3, "MDBA_ROUTER_PATTR_INET_TIMER", u32],
  ipv6Timer: [4, "MDBA_ROUTER_PATTR_INET6_TIMER", u32],
  vlan: [5, "MDBA_ROUTER_PATTR_VID", u16],
});
const routerPort = message(struct("u32", { index: u32 }), mdbRouterAttributes);
const routers = attributes({ ports: [1, "MDBA_ROUTER_PORT", repeated(routerPort)] });

/** The body of what the kernel sends: RTM_NEWMDB, RTM_DELMDB, and of a dump RTM_GETMDB. */
export const mdbMessage = once(() =>
  message(
    bridgePortMessageHeader,
    attributes({ entries: [1, "MDBA_MDB", entries], routers: [2, "MDBA_ROUTER", routers] }),
  ),
);

const wantedSource = attributes({ address: [1, "MDBE_SRCATTR_ADDRESS", ipAddress] });
const wantedSources = attributes({ sources: [1, "MDBE_SRC_LIST_ENTRY", repeated(flagged(wantedSource))] });

/** What is asked of an entry: enum MDBE_ATTR_*. */
export const mdbRequestAttributes = attributes({
  source: [1, "MDBE_ATTR_SOURCE", ipAddress],
  sourceList: [2, "MDBE_ATTR_SRC_LIST", flagged(wantedSources)],
  filterMode: [3, "MDBE_ATTR_GROUP_MODE", filterMode],
  protocol: [4, "MDBE_ATTR_RTPROT", routeProtocol],
  destination: [5, "MDBE_ATTR_DST", ipAddress],
  destinationPort: [6, "MDBE_ATTR_DST_PORT", u16],
  vni: [7, "MDBE_ATTR_VNI", u32],
  via: [8, "MDBE_ATTR_IFINDEX", u32],
  sourceVni: [9, "MDBE_ATTR_SRC_VNI", u32],
  stateMask: [10, "MDBE_ATTR_STATE_MASK", u8],
});

/** The body of requests: enum MDBA_SET_ENTRY*, whose numbers MDBA_GET_ENTRY* has too. */
export const mdbRequestMessage = once(() =>
  message(
    bridgePortMessageHeader,
    attributes({
      entry: [1, "MDBA_SET_ENTRY", mdbEntryHeader],
      attributes: [2, "MDBA_SET_ENTRY_ATTRS", flagged(mdbRequestAttributes)],
    }),
  ),
);
