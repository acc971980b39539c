import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { NetlinkError } from "../netlink-error.js";
import { Rtnetlink } from "./rtnetlink.js";
import type { Vf, VfChanges } from "./vf.js";

type Words = Record<string, unknown>;

const DEVICES = "/sys/class/net";
const functionsOf = (name: string) => `${DEVICES}/${name}/device/sriov_numvfs`;
/** Intel's 82576 as QEMU emulates it, which test/vm adds with its option --nic igb; no card of the host's. */
const card =
  (process.env.WEIR_VM_NICS && readdirSync(DEVICES).find((name) => existsSync(functionsOf(name)))) || "";
if (!card)
  console.log("skipped here: npm test runs it in a virtual machine with a card that has virtual functions");
const test = card ? uvu : uvu.skip;

const functions = (count: number) => writeFileSync(functionsOf(card), String(count));

uvu.before(async () => {
  if (!card) return;
  functions(0);
  functions(2);
  using rt = Rtnetlink.open();
  rt.links.set(card, { up: true });
  // The driver limits what its functions send once it knows how fast its link is.
  for (let tries = 0; rt.links.get(card).operState !== "up"; tries++) {
    assert.ok(tries < 300, "the card's link never came up");
    await sleep(100);
  }
});
uvu.after(() => {
  if (card) functions(0);
});

const ip = (command: string) =>
  execFileSync("ip", command.split(" "), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** What ip(8) reads of the card's functions. */
const theirs = (): Words[] =>
  (JSON.parse(ip(`-j -d link show dev ${card}`)) as { vfinfo_list: Words[] }[])[0]!.vfinfo_list;

/** A virtual function in the words of ip(8). */
function words({ attributes, ...vf }: Vf): Words {
  const broadcast = Buffer.from(attributes.broadcast!.address.subarray(0, 6));
  return {
    vf: vf.index,
    link_type: "ether",
    address: vf.address,
    broadcast: broadcast.toString("hex").match(/../g)!.join(":"),
    vlan_list: [
      { ...(vf.vlan ? { vlan: vf.vlan } : {}), ...(vf.vlanPriority ? { qos: vf.vlanPriority } : {}) },
    ],
    ...(attributes.txRate?.rate ? { tx_rate: attributes.txRate.rate } : {}),
    rate: { max_tx: vf.maximumMegabitsPerSecond, min_tx: vf.minimumMegabitsPerSecond },
    spoofchk: vf.spoofCheck,
    link_state: vf.linkState,
    trust: vf.trust,
  };
}

const changes: readonly (readonly [command: string, changes: VfChanges])[] = [
  ["mac 02:00:00:00:0a:01", { address: "02:00:00:00:0a:01" }],
  ["vlan 7", { vlan: 7 }],
  ["vlan 7 qos 3", { vlan: 7, vlanPriority: 3 }],
  ["vlan 8 qos 2 proto 802.1Q", { vlan: 8, vlanPriority: 2, vlanProtocol: "802.1q" }],
  ["vlan 0", { vlan: 0 }],
  ["max_tx_rate 100", { maximumMegabitsPerSecond: 100 }],
  ["max_tx_rate 0", { maximumMegabitsPerSecond: 0 }],
  ["spoofchk off", { spoofCheck: false }],
  ["spoofchk on", { spoofCheck: true }],
  ["trust on", { trust: true }],
  ["trust off", { trust: false }],
];

test("what ip(8) sets on one virtual function and we on another is the same to both", () => {
  using rt = Rtnetlink.open();
  const { index } = rt.links.get(card);
  for (const [command, change] of changes) {
    const before = theirs();
    ip(`link set dev ${card} vf 0 ${command}`);
    rt.links.setVf(card, 1, change);
    const { numVfs, vfs } = rt.links.get(index, { vfs: true });
    assert.is(numVfs, 2);
    assert.equal(vfs.map(words), theirs(), command);
    const [{ vf: _0, ...first }, { vf: _1, ...second }] = vfs.map(words) as [Words, Words];
    assert.equal(second, first, command);
    assert.ok(
      command.endsWith("0") || JSON.stringify(theirs()) !== JSON.stringify(before),
      `${command} changed nothing`,
    );
  }
});

test("a link's virtual functions are read where they are asked for", () => {
  using rt = Rtnetlink.open();
  const { numVfs, vfs } = rt.links.get(card);
  assert.equal([numVfs, vfs], [undefined, []]);
  const dumped = [...rt.links.dump({ vfs: true })].find(({ name }) => name === card);
  // Their words: Linux 5.10 leaves what it had in memory behind an address, in 26 of 32 bytes.
  assert.equal(dumped?.vfs.map(words), rt.links.get(card, { vfs: true }).vfs.map(words));
});

test("what a driver cannot do on a virtual function is refused as ip(8) is", () => {
  using rt = Rtnetlink.open();
  const refusals = [
    ["vf 0 query_rss on", 0, { rssQuery: true }, "EOPNOTSUPP", "Operation not supported"],
    [
      "vf 0 vlan 7 proto 802.1ad",
      0,
      { vlan: 7, vlanProtocol: "802.1ad" },
      "EPROTONOSUPPORT",
      "Protocol not supported",
    ],
    ["vf 6 mac 02:00:00:00:0a:02", 6, { address: "02:00:00:00:0a:02" }, "EINVAL", "Invalid argument"],
  ] as const;
  for (const [command, vf, change, code, text] of refusals) {
    let said = "";
    try {
      ip(`link set dev ${card} ${command}`);
    } catch (error) {
      said = (error as { stderr: string }).stderr;
    }
    assert.match(said, text, command);
    try {
      rt.links.setVf(card, vf, change);
      assert.unreachable(command);
    } catch (error) {
      assert.instance(error, NetlinkError);
      assert.is((error as NetlinkError).code, code, command);
      assert.match((error as NetlinkError).message, `change virtual function ${vf} of link ${card}`);
    }
  }
});

uvu.run();
