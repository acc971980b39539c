import type { Action } from "../tc/action.js";
import { policeSettings } from "../tc/actions/police.js";
import { formatHandle } from "../tc/handle.js";
import type { Verdict } from "../tc/verdict.js";
import type { Json } from "./tc-words.js";

/** Our names for what `print_flower` of iproute2 shows: the key, and whether a mask goes with it. */
const flowerNames: Readonly<Record<string, readonly string[]>> = {
  eth_type: ["ethType"],
  ip_proto: ["ipProtocol"],
  dst_mac: ["ethDestination"],
  src_mac: ["ethSource"],
  src_ip: ["ipv4Source", "ipv6Source"],
  dst_ip: ["ipv4Destination", "ipv6Destination"],
  src_port: ["tcpSourcePort", "udpSourcePort", "sctpSourcePort"],
  dst_port: ["tcpDestinationPort", "udpDestinationPort", "sctpDestinationPort"],
  ip_tos: ["ipTos"],
  ip_ttl: ["ipTtl"],
  tcp_flags: ["tcpFlags"],
  vlan_id: ["vlanId"],
  vlan_prio: ["vlanPriority"],
  vlan_ethtype: ["vlanEthType"],
  cvlan_id: ["innerVlanId"],
  cvlan_prio: ["innerVlanPriority"],
  cvlan_ethtype: ["innerVlanEthType"],
  arp_sip: ["arpSourceIp"],
  arp_tip: ["arpTargetIp"],
  arp_op: ["arpOperation"],
  arp_sha: ["arpSourceMac"],
  arp_tha: ["arpTargetMac"],
  icmp_type: ["icmpType", "icmpv6Type"],
  icmp_code: ["icmpCode", "icmpv6Code"],
  mpls_label: ["mplsLabel"],
  mpls_tc: ["mplsTrafficClass"],
  mpls_bos: ["mplsBottomOfStack"],
  mpls_ttl: ["mplsTtl"],
  enc_key_id: ["tunnelId"],
  enc_src_ip: ["tunnelIpv4Source"],
  enc_dst_port: ["tunnelDestinationPort"],
};
const ethTypes: Readonly<Record<string, string>> = { ipv4: "ip", "802.1Q": "vlan", "8847": "mpls" };

/** The number of bits that a mask of an address has. */
function bitsOf(mask: string): number {
  const parts = mask.includes(":") ? expand(mask) : mask.split(".").map(Number);
  return parts.map((part) => part.toString(2).replaceAll("0", "").length).reduce((sum, one) => sum + one, 0);
}

function expand(address: string): number[] {
  const [head = "", tail = ""] = address.split("::");
  const groups = (text: string) =>
    text === "" ? [] : text.split(":").map((one) => Number.parseInt(one, 16));
  const [from, to] = [groups(head), groups(tail)];
  return [...from, ...new Array<number>(8 - from.length - to.length).fill(0), ...to];
}

/**
 * Sets what tc(8) says of a flower filter's keys beside ours.
 * @returns both in one form, by tc's names
 */
export function besideFlower(keys: Json, options: Json): { theirs: Json; ours: Json } {
  const both = { theirs: {} as Json, ours: {} as Json };
  for (const [word, theirs] of Object.entries(keys)) {
    if (word === "ip_flags") {
      both.theirs[word] = Object.entries(theirs as Json).map(([flag, set]) => [flag, set]);
      const set = options.ipFlags as readonly string[];
      both.ours[word] = (options.ipFlagsMask as readonly string[]).map((flag) => [
        { fragment: "frag", firstFragment: "firstfrag" }[flag],
        set.includes(flag),
      ]);
      continue;
    }
    if (word === "ip_tos_mask") {
      both.theirs[word] = theirs;
      both.ours[word] = (options.ipTosMask as number).toString(16);
      continue;
    }
    const name = flowerNames[word]?.find((one) => options[one] !== undefined);
    const value = name === undefined ? undefined : options[name];
    const mask = `${word}_mask` in keys ? undefined : options[`${name}Mask`];
    both.theirs[word] = plain(word, theirs);
    both.ours[word] = withMask(value, mask);
  }
  return both;
}

function plain(word: string, value: unknown): unknown {
  if (/type$/.test(word) && word !== "icmp_type") return ethTypes[String(value)] ?? value;
  if (word === "arp_op") return value === "request" ? "1" : String(value);
  return String(value).toLowerCase();
}

/** A value, and its mask where it does not cover all: as a length of addresses, otherwise in hexadecimal. */
function withMask(value: unknown, mask: unknown): unknown {
  if (
    typeof value === "string" &&
    typeof mask === "string" &&
    /[.:]/.test(value) &&
    value.split(":").length !== 6
  ) {
    const bits = bitsOf(mask);
    return bits === (value.includes(":") ? 128 : 32) ? value : `${value}/${bits}`;
  }
  if (typeof value === "number" && typeof mask === "number" && mask !== 0xff && mask !== 0xffff)
    return `0x${value.toString(16)}/${mask.toString(16)}`;
  return String(value);
}

const GOTO_CHAIN = 2;

function controlWords(verdict: Verdict | undefined): Json {
  if (typeof verdict === "number" && verdict >>> 28 === GOTO_CHAIN)
    return { type: "goto", chain: verdict & 0x0fff_ffff };
  return { type: { ok: "pass", shot: "drop", unspec: "continue" }[String(verdict)] ?? verdict };
}

/** See the `print_opt` of each action in iproute2; without counters and times. */
export function actionWords(action: Action, place: number, deviceName: (index: number) => string): Json {
  const options = action.options as unknown as { parms: Json; probability?: Json } & Json;
  const parms = (options.parms ?? options.parmsEx) as Json;
  const common = {
    order: place + 1,
    kind: action.kind,
    index: parms.index,
    ref: parms.references,
    bind: parms.bindings,
    ...(action.cookie ? { cookie: Buffer.from(action.cookie).toString("hex") } : {}),
  };
  const control = { control_action: controlWords(parms.action as Verdict) };
  switch (action.kind) {
    case "gact": {
      const { type = "none", action: other = "ok", value = 0 } = options.probability ?? {};
      return {
        ...common,
        ...control,
        prob: { random_type: type, control_action: controlWords(other as Verdict), val: value },
      };
    }
    case "mirred": {
      const [, direction, what] = /^(egress|ingress)(\w+)$/.exec(String(parms.mode)) ?? [];
      return {
        ...common,
        ...control,
        direction,
        mirred_action: what?.toLowerCase(),
        to_dev: deviceName(parms.ifindex as number),
      };
    }
    case "police": {
      const settings = policeSettings(action);
      return {
        ...common,
        // tc prints both what becomes of what exceeds and of what conforms under this name: the later one stays.
        control_action: controlWords((options.conform as Verdict | undefined) ?? settings?.exceed),
        overhead: settings?.overheadBytes,
        linklayer: settings?.linkLayer === "unaware" ? "unspec" : settings?.linkLayer,
        ...(settings?.packetsPerSecond === undefined
          ? {}
          : { pkts_rate: Number(settings.packetsPerSecond), pkts_burst: settings.packetBurst }),
      };
    }
    case "skbedit":
      return {
        ...common,
        ...control,
        mark: options.mark,
        mask: options.mask === undefined ? undefined : (options.mask as number).toString(16),
        priority: options.priority === undefined ? undefined : formatHandle(options.priority as number),
        queue_mapping: options.queueMapping,
        ptype: options.packetType === 0 ? "host" : undefined,
        inheritdsfield: (options.flags as string[] | undefined)?.includes("inheritDsField")
          ? null
          : undefined,
      };
    case "vlan":
      return {
        ...common,
        ...control,
        vlan_action: String(parms.operation).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        id: options.id,
        protocol: (options.protocol as string | undefined)?.replace("q", "Q"),
        priority: options.priority,
        dst_mac: options.ethDestination,
        src_mac: options.ethSource,
      };
    case "pedit": {
      const keys = parms.keys as { offset: number; value: number; mask: number }[];
      const extended = (options.keysEx as { keys: { header: string; command: string }[] }).keys;
      return {
        ...common,
        ...control,
        nkeys: keys.length,
        keys: keys.map(({ offset, value, mask }, at) => ({
          htype: { ip4: "ipv4", ip6: "ipv6" }[extended[at]!.header] ?? extended[at]!.header,
          offset,
          cmd: extended[at]!.command,
          val: value.toString(16),
          mask: mask.toString(16),
        })),
      };
    }
    default:
      return { ...common, ...control };
  }
}
