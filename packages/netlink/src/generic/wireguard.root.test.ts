import { test } from "uvu";
import * as assert from "uvu/assert";
import { inNamespace, needs } from "../testing/needs.js";
import { GenericNetlink } from "./generic-netlink.js";
import { joinWireguardDevice, wireguard } from "./wireguard.js";

const key = (byte: number) => Buffer.alloc(32, byte).toString("base64");
/** A private key as Curve25519 wants it, which is how the kernel gives it back. */
const privateKey = Buffer.concat([Buffer.of(8), Buffer.alloc(30, 7), Buffer.of(0x47)]).toString("base64");

needs("wireguard")("a wireguard device gets a key, a port and peers, and says what it got", () => {
  inNamespace((rt, netns) => {
    rt.links.add({ name: "wg0", kind: "wireguard" });
    using genl = GenericNetlink.open({ netns });
    const family = genl.use(wireguard);
    const allowedIps = [
      { family: "ipv4", address: "10.0.0.0", prefixLength: 8 },
      { family: "ipv6", address: "fd00::", prefixLength: 64 },
    ] as const;
    family.acknowledge("setDevice", {
      name: "wg0",
      privateKey,
      listenPort: 5182,
      mark: 7,
      flags: ["replacePeers"],
      peers: [
        {
          publicKey: key(3),
          presharedKey: key(9),
          flags: ["replaceAllowedIps"],
          endpoint: { address: "192.0.2.1", port: 51_820 },
          persistentKeepaliveSeconds: 25,
          allowedIps,
        },
        { publicKey: key(4), endpoint: { address: "fe80::1", port: 51_821, scopeId: 1 } },
      ],
    });
    const device = joinWireguardDevice(family.dump("device", { name: "wg0" }));
    assert.is(device?.index, rt.links.get("wg0").index);
    assert.is(device?.privateKey, privateKey);
    assert.match(device?.publicKey ?? "", /^[\w+/]{43}=$/);
    assert.is(device?.listenPort, 5182);
    assert.is(device?.mark, 7);
    const [first, second] = device?.peers ?? [];
    assert.is(first?.publicKey, key(3));
    assert.is(first?.presharedKey, key(9));
    assert.equal(first?.endpoint, { address: "192.0.2.1", port: 51_820 });
    assert.is(first?.persistentKeepaliveSeconds, 25);
    assert.equal(
      first?.allowedIps?.map(({ address, prefixLength }) => [address, prefixLength]),
      allowedIps.map(({ address, prefixLength }) => [address, prefixLength]),
    );
    assert.equal(second?.endpoint, { address: "fe80::1", port: 51_821, scopeId: 1 });
    family.acknowledge("setDevice", { name: "wg0", peers: [{ publicKey: key(3), flags: ["remove"] }] });
    assert.equal(
      joinWireguardDevice(family.dump("device", { name: "wg0" }))?.peers?.map(({ publicKey }) => publicKey),
      [key(4)],
    );
  });
});

needs("wireguard")("a peer whose addresses do not fit one message is put together again", () => {
  inNamespace((rt, netns) => {
    rt.links.add({ name: "wg0", kind: "wireguard" });
    using genl = GenericNetlink.open({ netns });
    const family = genl.use(wireguard);
    const addresses = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0`);
    for (let from = 0; from < addresses.length; from += 1000)
      family.acknowledge("setDevice", {
        name: "wg0",
        peers: [
          {
            publicKey: key(5),
            allowedIps: addresses
              .slice(from, from + 1000)
              .map((address) => ({ family: "ipv4", address, prefixLength: 24 })),
          },
          { publicKey: key(6) },
        ],
      });
    const parts = [...family.dump("device", { name: "wg0" })];
    assert.ok(parts.length > 1);
    const peers = joinWireguardDevice(parts)?.peers ?? [];
    assert.equal(
      peers.map(({ publicKey }) => publicKey),
      [key(5), key(6)],
    );
    assert.equal(peers[0]?.allowedIps?.map(({ address }) => address).sort(), [...addresses].sort());
  });
});

needs("wireguard")("a refusal of the wireguard family says what was asked", () => {
  inNamespace((_rt, netns) => {
    using genl = GenericNetlink.open({ netns });
    const family = genl.use(wireguard);
    assert.throws(
      () => family.acknowledge("setDevice", { name: "nowhere" }),
      /could not ask the family wireguard for setDevice: .*ENODEV from WG_CMD_SET_DEVICE/,
    );
    assert.throws(
      () => family.acknowledge("setDevice", { name: "wg0", privateKey: "short" }),
      /privateKey: a key is 32 bytes in base64/,
    );
  });
});

test.run();
