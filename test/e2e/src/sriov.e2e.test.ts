import { existsSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Rtnetlink } from "@weir/netlink";
import { Shaper } from "@weir/shaper";
import { NetworkNamespace } from "@weir/syscall";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { type Bandwidth, CniNetwork } from "./lab/cni.js";
import { allowLargeBuffers } from "./lab/iperf.js";
import { neverAhead, traffic } from "./lab/traffic.js";

const LIMIT = 20_000_000;
const CACHE = "/run/weir-e2e-sriov";
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

/** A pod that gets a device of the machine's. */
class DevicePod implements AsyncDisposable {
  readonly name: string;
  readonly netns: string;
  readonly address: string;
  readonly #network: CniNetwork;
  readonly #attachment: { containerId: string; netns: string; name: string };

  private constructor(name: string, number: number, device: { pciBusID: string } | { device: string }) {
    this.name = name;
    this.netns = `/run/netns/${name}`;
    this.address = `10.84.0.${number}`;
    const ipam = { type: "static", addresses: [{ address: `${this.address}/24` }] };
    const plugins = [
      { type: "host-device", ...device, ipam },
      { type: "weir", capabilities: { bandwidth: true } },
    ];
    const conflist = { cniVersion: "1.0.0", name: `${name}-net`, plugins };
    this.#network = new CniNetwork(conflist, { netns: "/proc/1/ns/net", cache: CACHE });
    this.#attachment = { containerId: name, netns: this.netns, name };
  }

  static async create(
    name: string,
    number: number,
    device: { pciBusID: string } | { device: string },
    bandwidth?: Bandwidth,
  ): Promise<DevicePod> {
    const pod = new DevicePod(name, number, device);
    NetworkNamespace.create(pod.netns).close();
    try {
      await pod.#network.add(pod.#attachment, bandwidth);
    } catch (error) {
      NetworkNamespace.remove(pod.netns);
      throw error;
    }
    return pod;
  }

  /** Waits until its device has found its link, which takes a card seconds. */
  async linked(): Promise<void> {
    using rt = Rtnetlink.open({ netns: this.netns });
    for (let tries = 0; rt.links.get("eth0").operState !== "up"; tries++) {
      assert.ok(tries < 300, `${this.name} has no link`);
      await sleep(100);
    }
  }

  check(): Promise<void> {
    return this.#network.check(this.#attachment);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network.delete(this.#attachment);
    NetworkNamespace.remove(this.netns);
  }
}

test("a pod with a virtual function keeps to its limit on the wire and on the card, and gives it back as it was", async () => {
  allowLargeBuffers();
  using functions = new VirtualFunctions(card!);
  const [place, other] = functions.places as [string, string];
  const before = onHost(place);
  assert.ok(before, "the virtual function has no driver");
  try {
    const both = { egressRate: LIMIT, ingressRate: LIMIT };
    await using limited = await DevicePod.create("vf-limited", 1, { pciBusID: place }, both);
    await using sibling = await DevicePod.create("vf-sibling", 2, { pciBusID: other });
    await using far = await DevicePod.create("vf-far", 3, { device: oppositeOf(card!) });
    await limited.check();
    {
      using shaper = Shaper.open();
      const [record] = shaper.list();
      assert.equal(shaper.inspect(record!.id).problems, []);
    }
    for (const pod of [limited, sibling, far]) await pod.linked();
    const load = { seconds: 4, limit: LIMIT };
    for (const peer of [far, sibling]) {
      neverAhead(await traffic(limited, peer, "tcp", load), LIMIT);
      neverAhead(await traffic(peer, limited, "tcp", load), LIMIT);
      neverAhead(await traffic(limited, peer, "udp", load), LIMIT);
    }
  } finally {
    rmSync(CACHE, { recursive: true, force: true });
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
