import { existsSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Rtnetlink } from "@weir/netlink";
import { Shaper } from "@weir/shaper";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { CniNetwork } from "./lab/cni.js";
import { allowLargeBuffers } from "./lab/iperf.js";
import { Lab, type Pod } from "./lab/lab.js";
import { neverAhead, traffic } from "./lab/traffic.js";

const LIMIT = 20_000_000;
const FOLDER = "/run/weir-e2e-sriov";
const DEVICES = "/sys/class/net";

/** The link-layer addresses of the machine's network cards, two by two joined by a wire: test/vm's option --nic. */
const cards = process.env.WEIR_VM_NICS?.split(",") ?? [];
/** The first of them that can have virtual functions. */
const card =
  cards.length > 0 ? readdirSync(DEVICES).find((name) => existsSync(functionsOf(name))) : undefined;
if (!card)
  console.log("skipped here: npm test runs it in a virtual machine with a card that has virtual functions");
const test = card ? uvu : uvu.skip;

function functionsOf(name: string): string {
  return join(DEVICES, name, "device/sriov_numvfs");
}

/** Two virtual functions of a card, by which the host-device plugin finds them: their places on the PCI bus. */
class VirtualFunctions implements Disposable {
  readonly places: readonly string[];
  readonly #card: string;

  constructor(name: string) {
    this.#card = name;
    using rt = Rtnetlink.open();
    rt.links.set(name, { up: true });
    writeFileSync(functionsOf(name), "2");
    this.places = [0, 1].map((number) =>
      basename(readlinkSync(join(DEVICES, name, `device/virtfn${number}`))),
    );
  }

  [Symbol.dispose](): void {
    writeFileSync(functionsOf(this.#card), "0");
  }
}

/** What the machine itself has of a device on the PCI bus. */
function onHost(place: string): { name: string; qdiscs: string[] } | undefined {
  const folder = join("/sys/bus/pci/devices", place, "net");
  const [name] = existsSync(folder) ? readdirSync(folder) : [];
  using rt = Rtnetlink.open();
  const link = name === undefined ? undefined : rt.links.find(name);
  return (
    link && { name: link.name, qdiscs: [...rt.qdiscs.dump({ index: link.index })].map(({ kind }) => kind) }
  );
}

/** The network of one pod, which gets a device of the machine's. */
function deviceNetwork(number: number, device: { pciBusID: string } | { device: string }): CniNetwork {
  const ipam = { type: "static", addresses: [{ address: `10.84.0.${number}/24` }] };
  const plugins = [
    { type: "host-device", ...device, ipam },
    { type: "weir", capabilities: { bandwidth: true } },
  ];
  const conflist = { cniVersion: "1.0.0", name: `device-${number}`, plugins };
  return new CniNetwork(conflist, { netns: "/proc/1/ns/net", cache: join(FOLDER, "results") });
}

/** Waits until a pod's device has found its link, which takes a card seconds. */
async function linked({ name, netns }: Pod): Promise<void> {
  using rt = Rtnetlink.open({ netns });
  for (let tries = 0; rt.links.get("eth0").operState !== "up"; tries++) {
    assert.ok(tries < 300, `${name} has no link`);
    await sleep(100);
  }
}

test("a pod with a virtual function keeps to its limit on the wire and on the card, and gives it back as it was", async () => {
  allowLargeBuffers();
  using functions = new VirtualFunctions(card!);
  const [place, other] = functions.places as [string, string];
  const before = onHost(place);
  assert.ok(before, "the virtual function has no driver");
  {
    await using lab = Lab.create({ mode: "l2", folder: FOLDER });
    const [node] = lab.nodes;
    const both = { egressRate: LIMIT, ingressRate: LIMIT };
    const limited = await lab.addPod("vf-limited", node, both, deviceNetwork(1, { pciBusID: place }));
    const sibling = await lab.addPod("vf-sibling", node, undefined, deviceNetwork(2, { pciBusID: other }));
    const opposite = deviceNetwork(3, { device: oppositeOf(card!) });
    const far = await lab.addPod("vf-far", node, undefined, opposite);
    await limited.network.check(limited);
    {
      using shaper = Shaper.open();
      const [record] = shaper.list();
      assert.equal(shaper.inspect(record!.id).problems, []);
    }
    for (const pod of [limited, sibling, far]) await linked(pod);
    const load = { seconds: 4, limit: LIMIT };
    for (const peer of [far, sibling]) {
      neverAhead(await traffic(limited, peer, "tcp", load), LIMIT);
      neverAhead(await traffic(peer, limited, "tcp", load), LIMIT);
      neverAhead(await traffic(limited, peer, "udp", load), LIMIT);
    }
  }
  assert.equal(onHost(place), before);
  using shaper = Shaper.open();
  assert.equal([...shaper.list()], []);
});

/** The name of the card at the other end of a card's wire. */
function oppositeOf(name: string): string {
  using rt = Rtnetlink.open();
  const address = cards[cards.indexOf(rt.links.get(name).address!) ^ 1];
  return [...rt.links.dump()].find((link) => link.address === address)!.name;
}

uvu.run();
