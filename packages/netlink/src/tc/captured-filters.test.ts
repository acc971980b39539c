import { test } from "uvu";
import * as assert from "uvu/assert";
import { Input } from "../schema/index.js";
import { capturedTc } from "../testing/captured-tc.js";
import type { Action } from "./action.js";
import { policeSettings } from "./actions/police.js";
import { type Filter, filterReply } from "./filter.js";
import { gotoChain } from "./verdict.js";

type Json = Record<string, unknown>;

/** The filter that the kernel reported after a command that ends so, without the entry of its priority. */
function after(end: string): Filter {
  for (const { type, command, hex } of capturedTc) {
    if (type !== "filter" || !command.endsWith(end)) continue;
    const bytes = new Uint8Array(Buffer.from(hex, "hex"));
    const filter = filterReply.decode(new Input(bytes), 0, bytes.length);
    // u32 makes a table first, and has handles with the table in the upper bits.
    if (filter?.options && (filter.handle & 0xfff) !== 0) return filter;
  }
  throw new Error(`nothing was captured after ${end}`);
}

const optionsAfter = (end: string) => after(end).options as unknown as Json;
const actionsAfter = (end: string) => optionsAfter(end).actions as Action[];
const actionAfter = (end: string) => actionsAfter(end)[0] as Action & { options: Json };

/** Asserts that a value has these fields. */
function has(value: Json, fields: Json): void {
  for (const [name, expected] of Object.entries(fields)) assert.equal(value[name], expected, name);
}

// The expected values are those that `tc -d -j filter show` printed after the commands.

test("flower has the keys and masks that tc shows", () => {
  has(optionsAfter("skip_hw classid 1:5"), {
    classid: 0x10005,
    ethDestination: "02:00:00:00:00:01",
    ethSourceMask: "ff:ff:ff:00:00:00",
    ethType: "ip",
    ipProtocol: "tcp",
    ipTos: 0x10,
    ipTosMask: 0xfc,
    ipTtl: 64,
    ipv4Source: "10.1.0.0",
    ipv4SourceMask: "255.255.0.0",
    ipv4Destination: "192.0.2.1",
    tcpDestinationPort: 80,
    portSourceMin: 1000,
    portSourceMax: 2000,
    tcpFlags: 2,
    tcpFlagsMask: 7,
    flags: ["skipHardware", "notInHardware"],
  });
  has(optionsAfter("ip_flags frag/nofirstfrag action drop"), {
    ipv6Source: "2001:db8::",
    ipv6SourceMask: "ffff:ffff::",
    udpSourcePort: 53,
    ipFlags: ["fragment"],
    ipFlagsMask: ["fragment", "firstFragment"],
  });
  has(optionsAfter("sctp dst_port 7"), {
    vlanId: 5,
    vlanPriority: 3,
    innerVlanId: 7,
    innerVlanEthType: "ip",
    sctpDestinationPort: 7,
  });
  has(optionsAfter("mpls_ttl 64"), {
    mplsLabel: 100,
    mplsTrafficClass: 3,
    mplsBottomOfStack: 1,
    mplsTtl: 64,
  });
  has(optionsAfter("00112233445566778899aabbccddeeff"), {
    tunnelId: 77,
    tunnelIpv4Source: "10.0.0.1",
    tunnelDestinationPort: 4789,
    ctState: ["established", "tracked"],
    ctZone: 7,
    ctMark: 3,
    ctMarkMask: 255,
  });
  has(optionsAfter("0102:80:00880022/ffff:ff:ffffffff"), {
    tunnelIpv6Destination: "2001:db8::2",
    tunnelOptions: { geneve: [{ class: 0x102, type: 0x80, data: Uint8Array.of(0, 0x88, 0, 0x22) }] },
  });
});

test("fw, basic and u32 have what tc shows", () => {
  assert.is(after("handle 6 fw classid 1:3").handle, 6);
  has(optionsAfter("indev d0 action drop"), { classid: 0x10003, mask: 0xf });
  const basic = optionsAfter("at 12)' action pass") as {
    ematches: { matches: { kind: string; flags: number }[] };
  };
  assert.equal(
    basic.ematches.matches.map(({ kind, flags }) => [kind, flags]),
    [
      ["meta", 1],
      ["u32", 4],
    ],
  );
  const u32 = optionsAfter("match ip dport 80 0xffff classid 1:9") as { selector: { keys: Json[] } };
  has(u32.selector.keys[0]!, { value: 0x0a00_0000, mask: 0xff00_0000, offset: 12 });
  has(u32.selector.keys[1]!, { value: 80, mask: 0xffff, offset: 20 });
  has(optionsAfter("match mark 3 0xf action drop"), { mark: { value: 3, mask: 0xf, hits: 0 } });
});

test("police has its rates and bursts, also above 4 GB/s and in packets", () => {
  const settings = (end: string) => policeSettings(actionAfter(end)) as unknown as Json;
  has(settings("drop/pipe overhead 24 linklayer ethernet"), {
    rateBitsPerSecond: 1_000_000n,
    burstBytes: 10_000,
    mtuBytes: 1600,
    overheadBytes: 24,
    linkLayer: "ethernet",
    exceed: "shot",
    conform: "pipe",
  });
  has(settings("mtu 64kb mpu 64 drop"), {
    rateBitsPerSecond: 50_000_000_000n,
    peakRateBitsPerSecond: 60_000_000_000n,
    mtuBytes: 65_536,
    mpuBytes: 64,
  });
  // In ticks of 64 ns, each of which is 400 bytes.
  assert.ok(Math.abs((settings("mtu 64kb mpu 64 drop").burstBytes as number) - (4 << 20)) < 6250);
  has(settings("conform-exceed reclassify"), {
    rateBitsPerSecond: undefined,
    packetsPerSecond: 1000n,
    packetBurst: 200,
    exceed: "reclassify",
  });
  assert.is(policeSettings({ kind: "gact" }), undefined);
});

test("the other actions have what tc shows", () => {
  has(actionAfter("priority 1:3 ptype host").options, {
    mark: 5,
    mask: 0xff,
    priority: 0x10003,
    packetType: 0,
  });
  has(actionAfter("skbedit inheritdsfield").options, { flags: ["inheritDsField"] });
  has(actionAfter("protocol 802.1ad priority 3").options, { id: 5, protocol: "802.1ad", priority: 3 });
  has(actionAfter("src_mac 02:00:00:00:00:02").options, { ethDestination: "02:00:00:00:00:01" });
  const bpf = actionAfter("4294967295' index 9");
  assert.is(bpf.options.opcodeCount, 1);
  assert.is((bpf.options.parms as Json).index, 9);
  const random = actionAfter("pass 7 index 12 cookie 00112233");
  assert.equal(random.options.probability, { type: "determ", value: 7, action: "ok" });
  assert.equal(random.cookie, Uint8Array.of(0, 0x11, 0x22, 0x33));
  const [legacy, extended] = actionsAfter("munge tcp dport set 8080 continue") as { options: Json }[];
  const keys = (action: { options: Json } | undefined) =>
    ((action!.options.parms ?? action!.options.parmsEx) as { keys: Json[] }).keys;
  has(keys(legacy)[0]!, { offset: 8, value: 0x4000_0000, mask: 0x00ff_ffff });
  assert.equal(
    (extended!.options.keysEx as { keys: Json[] }).keys.map(({ header, command }) => [header, command]),
    [
      ["eth", "set"],
      ["eth", "set"],
      ["ip4", "add"],
      ["tcp", "set"],
    ],
  );
  const goto = actionAfter("dst_ip 192.0.2.0/24 action goto chain 6");
  assert.is((goto.options.parms as Json).action, gotoChain(6));
  assert.is(after("dst_ip 192.0.2.0/24 action goto chain 6").chain, 5);
});

test.run();
