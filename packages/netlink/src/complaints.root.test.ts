/**
 * What users of netlink libraries have complained about, in public issue threads: each test is named after the
 * complaint that it answers. Those of traffic control stand with its own tests.
 */
import { kernelVersion, NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NetlinkDumpInterruptedError, NetlinkError, NetlinkUseError } from "./netlink-error.js";
import { linkMessage } from "./rtnetlink/link-schema.js";
import { Rtnetlink } from "./rtnetlink/rtnetlink.js";
import { setVf, vfsOf } from "./rtnetlink/vf.js";
import { decode, encode, struct, u32 } from "./schema/index.js";
import { NetlinkProtocol, NetlinkSocket } from "./socket.js";
import { inNamespace, needs } from "./testing/needs.js";

const root = needs("root", "veth");

function refusal(work: () => unknown): NetlinkError {
  try {
    work();
  } catch (error) {
    assert.instance(error, NetlinkError);
    return error as NetlinkError;
  }
  throw new Error("nothing was refused");
}

/** Makes so many pairs that a dump of the links comes in many pieces. */
function manyLinks(rt: Rtnetlink, pairs: number): void {
  rt.batch((batch) => {
    for (let pair = 0; pair < pairs; pair++)
      batch.links.add({ name: `a${pair}`, kind: "veth", data: { peer: { name: `b${pair}` } } });
  });
}

root(
  "vishvananda/netlink #1018, #925, pyroute2 #874, #1206: an interrupted dump is read again, or tells",
  () => {
    inNamespace((rt, namespace) => {
      manyLinks(rt, 60);
      using other = Rtnetlink.open({ netns: namespace });
      const request = { operation: "RTM_GETLINK", action: "read", type: 18, body: new Uint8Array(16) };
      // Streamed, a dump is in the middle while another socket changes the table: the kernel sets NLM_F_DUMP_INTR.
      const names: string[] = [];
      let interrupted: unknown;
      try {
        for (const { attributes } of rt.socket.dump(request, linkMessage, { consistent: false })) {
          if (names.length === 0) other.links.remove("a30");
          names.push(attributes.name ?? "");
        }
      } catch (error) {
        interrupted = error;
      }
      assert.instance(interrupted, NetlinkDumpInterruptedError);
      assert.ok(names.length > 100, "what was read before is not lost");
      // By default a dump is read whole before it is given out, so that churn meanwhile cannot be seen.
      let removed = false;
      const again: string[] = [];
      for (const { name } of rt.links.dump()) {
        if (!removed) other.links.remove("a31");
        removed = true;
        again.push(name);
      }
      assert.is(again.length, 119);
    });
  },
);

root("vishvananda/netlink #1057: after an abandoned dump the next request does not get EBUSY", () => {
  inNamespace((rt) => {
    manyLinks(rt, 60);
    for (const _ of rt.links.dump()) break;
    assert.is(rt.links.get("a7").name, "a7");
    const request = { operation: "RTM_GETLINK", action: "read", type: 18, body: new Uint8Array(16) };
    for (const _ of rt.socket.dump(request, linkMessage, { consistent: false })) break;
    assert.is([...rt.links.dump()].length, 121);
    const halfway = rt.socket.dump(request, linkMessage, { consistent: false })[Symbol.iterator]();
    halfway.next();
    assert.is([...rt.links.dump()].length, 121, "also while the first one is still being read");
    let rest = 1;
    while (!halfway.next().done) rest++;
    assert.is(rest, 121);
  });
});

root(
  "vishvananda/netlink #477, #773: a monitor that the kernel overran goes on with what is there",
  async () => {
    using namespace = NetworkNamespace.createAnonymous();
    using rt = Rtnetlink.open({ netns: namespace });
    using monitor = rt.monitor(["link"], { receiveBufferBytes: 2048 });
    manyLinks(rt, 50);
    const present = new Set<string>();
    for await (const event of monitor) {
      if (event.type === "link" && event.change === "present") present.add(event.link.name);
      if (event.type === "synced") break;
    }
    assert.is(present.size, 101);
  },
);

root("vishvananda/netlink #354, #365, #960, pyroute2 #751: the receive buffer grows to what comes", () => {
  inNamespace((_rt, namespace) => {
    using rt = Rtnetlink.open({ netns: namespace, bufferBytes: 256 });
    const long = Array.from({ length: 60 }, (_, place) => `name-${place}-${"x".repeat(110)}`);
    for (const names of [long.slice(0, 30), long.slice(30)]) rt.links.addAltNames("lo", names);
    assert.is(rt.links.get("lo").altNames.length, 60);
    assert.is([...rt.links.dump()][0]?.altNames.length, 60);
  });
});

test("vishvananda/netlink #354: a list of 256 virtual functions, longer than a page, is read whole", () => {
  const vf = (index: number) => ({
    mac: { vf: index, address: new Uint8Array([2, 0, 0, 0, 1, index]) },
    vlan: { vf: index, vlan: index, qos: 1 },
    rate: { vf: index, minimum: 10, maximum: 1000 + index },
    spoofCheck: { vf: index, setting: 1 },
    trust: { vf: index, setting: 0xffff_ffff },
    linkState: { vf: index, state: "enable" as const },
  });
  const vfs = { vfs: Array.from({ length: 256 }, (_, index) => vf(index)) };
  const bytes = encode(linkMessage, { header: { index: 2 }, attributes: { numVfs: 256, vfs } });
  assert.ok(bytes.length > 4096 * 5);
  const link = decode(linkMessage, bytes);
  const all = vfsOf(link.attributes.vfs ?? {});
  assert.is(all.length, 256);
  const { address, vlan, maximumMegabitsPerSecond, spoofCheck, trust, linkState } = all[255]!;
  assert.equal(
    { address, vlan, maximumMegabitsPerSecond, spoofCheck, trust, linkState },
    {
      address: "02:00:00:00:01:ff",
      vlan: 255,
      maximumMegabitsPerSecond: 1255,
      spoofCheck: true,
      trust: undefined,
      linkState: "enable",
    },
  );
  assert.is(Buffer.compare(encode(linkMessage, link), bytes), 0);
});

root("a virtual function of a device that has none is refused in the kernel's words", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "v0", kind: "veth", data: { peer: { name: "v1" } } });
    const changes = { address: "02:00:00:00:00:01", vlan: 7, vlanProtocol: "802.1ad", trust: true } as const;
    assert.is(refusal(() => rt.links.setVf("v0", 3, changes)).code, "EOPNOTSUPP");
    const { attributes } = decode(linkMessage, setVf({ header: { index: 1 } }, 1, 3, changes).body);
    assert.is(attributes.vfs?.vfs?.[0]?.vlanList?.vlans?.[0]?.protocol, "802.1ad");
  });
});

test("netlink-packet-route #54, #140, #151, vishvananda/netlink #332: other kernels' structs decode", () => {
  const old = struct("example", { first: u32, second: u32 });
  const longer = decode(old, new Uint8Array([1, 0, 0, 0, 2, 0, 0, 0, 9, 9]));
  assert.equal([longer.first, longer.second, longer.tail], [1, 2, Uint8Array.of(9, 9)]);
  assert.equal(encode(old, longer), new Uint8Array([1, 0, 0, 0, 2, 0, 0, 0, 9, 9]));
  const shorter = decode(old, new Uint8Array([1, 0, 0, 0]));
  assert.equal([shorter.first, shorter.second], [1, 0]);
  assert.equal(encode(old, shorter), new Uint8Array([1, 0, 0, 0]));
});

root("neli #170: a refusal says what was done, what the kernel objects to and where", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "v0", kind: "veth", data: { peer: { name: "v1" } } });
    const error = refusal(() => rt.links.set("v0", { mtu: 1 }));
    assert.is(error.operation, "RTM_NEWLINK");
    assert.is(error.errno, 22);
    assert.match(error.message, 'could not change link "v0": invalid argument (EINVAL from RTM_NEWLINK)');
    assert.match(error.message, "mtu less than device minimum");
  });
});

needs("bridge")("neli #170: the path of an attribute within attributes is told", () => {
  inNamespace((rt) => {
    const IFLA_BR_AGEING_TIME = 4;
    const data = { unknown: [{ type: IFLA_BR_AGEING_TIME, bytes: new Uint8Array(1), position: 0 }] };
    const error = refusal(() => rt.links.add({ name: "br0", kind: "bridge", data }));
    assert.is(error.attribute, "linkinfo.data.ageingTime");
    assert.is(error.policy?.type, "u32");
  });
});

root("neli #170: where a value is out of range, the error has the range that the kernel takes", () => {
  const { major, minor } = kernelVersion();
  // IFLA_NEW_IFINDEX came with Linux 5.13.
  if (major === 5 && minor < 13) return;
  inNamespace((rt) => {
    const error = refusal(() =>
      rt.socket.acknowledge({
        operation: "RTM_NEWLINK",
        action: "test",
        type: 16,
        body: encode(linkMessage, { header: { index: 1 }, attributes: { alias: "x", newIndex: -5 } }),
        schema: linkMessage,
      }),
    );
    assert.is(error.code, "ERANGE");
    assert.is(error.attribute, "newIndex");
    assert.is(error.policy?.minSigned, 1n);
    assert.match(error.message, "It objects to newIndex (it takes 1 to 2147483647)");
  });
});

root(
  "mdlayher/netlink #107, #154, vishvananda/netlink #497: a socket stays in its namespace, and so does the caller",
  () => {
    using one = NetworkNamespace.createAnonymous();
    using other = NetworkNamespace.createAnonymous();
    using own = NetworkNamespace.current();
    using inOne = Rtnetlink.open({ netns: one });
    using inOther = Rtnetlink.open({ netns: other });
    inOne.links.add({ name: "v0", kind: "veth", data: { peer: { name: "v1", netns: other } } });
    assert.ok(inOther.links.find("v1") && !inOther.links.find("v0") && !inOne.links.find("v1"));
    using now = NetworkNamespace.current();
    assert.equal(now.identity, own.identity);
    using found = inOther.socket.networkNamespace();
    assert.equal(found.identity, other.identity);
  },
);

root(
  "vishvananda/netlink #1114, #1198: an IPv4-mapped address is an IPv6 address, whatever it looks like",
  () => {
    inNamespace((rt) => {
      rt.links.set("lo", { up: true });
      rt.addresses.add({ index: 1, address: "::ffff:192.0.2.1/128" });
      const found = rt.addresses.find(1, "::ffff:192.0.2.1");
      assert.is(found?.family, "ipv6");
      assert.is(rt.addresses.find(1, "192.0.2.1"), undefined);
      rt.addresses.remove({ index: 1, address: "::ffff:192.0.2.1/128" });
    });
  },
);

root("pyroute2 #712: the kernel filters, so that what is not wanted is not even sent", () => {
  inNamespace((rt) => {
    rt.links.set("lo", { up: true });
    rt.links.add({ name: "v0", kind: "veth", up: true, data: { peer: { name: "v1" } } });
    const { index } = rt.links.get("v0");
    rt.addresses.add({ index, address: "192.0.2.1/24" });
    rt.batch((batch) => {
      for (let place = 0; place < 200; place++)
        batch.routes.add({ destination: `10.0.${place}.0/24`, index, table: place < 3 ? 1000 : 254 });
    });
    assert.is(rt.socket.strict, true);
    assert.is([...rt.routes.dump({ family: "ipv4", table: 1000 })].length, 3);
    // As the kernel gave them, before any filter of ours.
    let given = 0;
    const body = new Uint8Array(20);
    body[0] = 2;
    body.set([8, 0, 15, 0, 0xe8, 3, 0, 0], 12);
    const all = { decode: () => ++given, encode: () => {} };
    const request = { operation: "RTM_GETROUTE", action: "read", type: 26, body };
    for (const _ of rt.socket.dump(request, all));
    assert.is(given, 3);
  });
});

test("a request from within a callback of the same socket is refused, and so is one on a listening socket", () => {
  using rt = Rtnetlink.open();
  const request = { operation: "RTM_GETLINK", action: "read", type: 18, body: new Uint8Array(16) };
  const inside = { decode: () => rt.links.get("lo"), encode: () => {} };
  assert.throws(
    () => [...rt.socket.dump(request, inside)],
    (error: unknown) => error instanceof NetlinkUseError && error.code === "ERR_NETLINK_USE",
  );
  assert.is(rt.links.get("lo").index, 1, "the socket is free again");
  using listening = NetlinkSocket.open(NetlinkProtocol.ROUTE);
  assert.throws(
    () => listening.receiveNotifications(() => {}),
    (error: unknown) => error instanceof NetlinkUseError,
  );
  listening.join(1);
  assert.throws(
    () => [...listening.dump(request, linkMessage)],
    (error: unknown) => error instanceof NetlinkUseError && /another socket/.test(error.message),
  );
});

test("a socket without strict checking and words works as on an old kernel", () => {
  using rt = Rtnetlink.open({ strict: false, extendedAck: false });
  assert.is(rt.socket.strict, false);
  assert.ok([...rt.links.dump()].length > 0);
  for (const route of rt.routes.dump({ table: 255, family: "ipv4" })) assert.is(route.table, 255);
  const error = refusal(() => rt.links.get("no-such-link"));
  assert.is(error.code, "ENODEV");
  assert.is(error.kernelMessage, undefined);
});

test.run();
