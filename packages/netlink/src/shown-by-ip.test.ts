import { test } from "uvu";
import * as assert from "uvu/assert";
import { addressMessage, addressOf } from "./rtnetlink/address.js";
import { linkReply } from "./rtnetlink/link-reply.js";
import { linkKinds } from "./rtnetlink/link-schema.js";
import { neighbourOf } from "./rtnetlink/neighbour.js";
import { neighbourMessage } from "./rtnetlink/neighbour-schema.js";
import { nexthopMessage } from "./rtnetlink/nexthop-schema.js";
import { nexthopOf } from "./rtnetlink/nexthops.js";
import { routeReply } from "./rtnetlink/route-reply.js";
import { ruleMessage } from "./rtnetlink/rule-schema.js";
import { ruleOf } from "./rtnetlink/rules.js";
import { decode } from "./schema/index.js";
import { capturedObjects } from "./testing/captured-objects.js";
import {
  addressWords,
  besideLinkData,
  comparable,
  fdbWords,
  linkWords,
  neighbourWords,
  nexthopWords,
  routeWords,
  ruleWords,
  type Words,
} from "./testing/ip-words.js";

interface Compared {
  readonly words: (bytes: Uint8Array) => Words;
  /** What ip says that is not compared: names of devices, times that go on, and what packets are wrapped in. */
  readonly ignored: readonly string[];
}

const wrapping = ["id", "src", "ttl", "mode", "segs", "action", "nh6", "hoplimit"];
const kinds: Readonly<Record<string, Compared>> = {
  RTM_NEWLINK: {
    words: (bytes) => linkWords(decode(linkReply, bytes)),
    ignored: [
      ...["flags", "linkmode", "link", "link_type", "linkinfo", "link_pointtopoint"],
      ...["allmulti", "tso_max_size", "tso_max_segs", "gro_max_size", "master", "link_index", "link_netnsid"],
      ...["permaddr", "phys_port_id", "proto_down", "proto_down_reason", "parentbus", "parentdev"],
    ],
  },
  RTM_NEWADDR: {
    words: (bytes) => addressWords(addressOf(decode(addressMessage, bytes))),
    ignored: ["valid_life_time", "preferred_life_time"],
  },
  RTM_NEWROUTE: {
    words: (bytes) => routeWords(decode(routeReply, bytes)),
    ignored: ["dev", "nh_info", "flow", "expires", ...wrapping],
  },
  RTM_NEWRULE: {
    words: (bytes) => ruleWords(ruleOf(decode(ruleMessage, bytes))),
    ignored: ["oif_detached", "tun_id"],
  },
  RTM_NEWNEIGH: {
    words: (bytes) => neighbourWords(neighbourOf(decode(neighbourMessage, bytes))),
    ignored: ["dev"],
  },
  fdb: {
    words: (bytes) => fdbWords(neighbourOf(decode(neighbourMessage, bytes))),
    ignored: ["ifname", "master", "viaIf"],
  },
  RTM_NEWNEXTHOP: {
    words: (bytes) => nexthopWords(nexthopOf(decode(nexthopMessage, bytes))),
    ignored: ["dev", "scope", "resilient_args"],
  },
};

const AF_BRIDGE = 7;
const AF_MPLS = 28;

let compared = 0;
const parts: Record<string, number> = {};
for (const [number, { type, command, hex, json }] of capturedObjects.entries()) {
  const bytes = new Uint8Array(Buffer.from(hex, "hex"));
  const kind = kinds[type === "RTM_NEWNEIGH" && bytes[0] === AF_BRIDGE ? "fdb" : type];
  if (json === undefined || !kind || (type === "RTM_NEWROUTE" && bytes[0] === AF_MPLS)) continue;
  compared++;
  test(`${type} ${number} after "${command}" says what ip says of it`, () => {
    const theirs = JSON.parse(json) as Words;
    // ip prints the target of what packets are wrapped in as "dst" too.
    const ignored = [
      ...kind.ignored,
      ...("encap" in theirs && type === "RTM_NEWROUTE" ? ["dst", "tos"] : []),
    ];
    if (type === "RTM_NEWLINK" && theirs.link_type !== "ether") ignored.push("address", "broadcast");
    if (type === "RTM_NEWNEXTHOP" && "encap" in theirs) ignored.push("dst");
    assert.equal(comparable(kind.words(bytes), ignored), comparable(theirs, ignored));
  });
}

for (const [number, { type, command, hex, json }] of capturedObjects.entries()) {
  if (type !== "RTM_NEWLINK" || json === undefined) continue;
  const { kind, data, portKind, portData } = decode(linkReply, new Uint8Array(Buffer.from(hex, "hex")));
  const { linkinfo = {} } = JSON.parse(json) as { linkinfo?: Record<string, Words | string> };
  test(`the data of link ${number} after "${command}" are what ip says of them`, () => {
    assert.is(kind, linkinfo.info_kind);
    assert.is(portKind, linkinfo.info_slave_kind);
    for (const [name, theirs, ours] of [
      [String(kind), linkinfo.info_data, data],
      [`port of ${portKind}`, linkinfo.info_slave_data, portData],
    ] as const) {
      if (!theirs || !ours || ours instanceof Uint8Array) continue;
      const both = besideLinkData(name, theirs as Words, ours as Words);
      assert.equal(both.ours, both.theirs);
      parts[name] = Math.max(parts[name] ?? 0, Object.keys(both.ours).length);
    }
  });
}

test("of every kind some data were compared, and of the large ones nearly all", () => {
  for (const kind of Object.keys(linkKinds)) {
    // netkit is younger than the iproute2 that made these; bareudp is not in Debian's kernel; veth has no data to read.
    if (!["netkit", "bareudp", "veth"].includes(kind)) assert.ok(parts[kind], kind);
  }
  const least = {
    bridge: 37,
    bond: 26,
    "port of bridge": 26,
    vxlan: 13,
    erspan: 9,
    geneve: 8,
    gretap: 7,
    sit: 7,
  };
  for (const [kind, count] of Object.entries(least)) assert.ok((parts[kind] ?? 0) >= count, kind);
});

test("most of what was captured of links, addresses, routes, rules, neighbours and nexthops was compared", () => {
  assert.ok(compared >= 150, String(compared));
});

test.run();
