import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeMessage, encodeMessage } from "../decoded-message.js";
import { frame } from "../message.js";
import { NetlinkError } from "../netlink-error.js";
import { attributes } from "../schema/attributes.js";
import { encode, u16, u32 } from "../schema/index.js";
import { bitNames, ethtool, ethtoolRings } from "./ethtool.js";
import { bodyOf, genericFamily } from "./family.js";
import { GenericNetlink } from "./generic-netlink.js";
import { genericMessages } from "./messages.js";
import { netdev } from "./netdev.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("families are found by name, with their commands and multicast groups", () => {
  using genl = GenericNetlink.open();
  const control = genl.families.get("nlctrl");
  assert.is(control.id, 16);
  assert.ok(control.operations.some(({ id, flags }) => id === 3 && flags.includes("dump")));
  assert.ok(control.groups.some(({ name, id }) => name === "notify" && id === 16));
  const names = [...genl.families.dump()].map(({ name }) => name);
  assert.ok(names.includes("nlctrl") && names.includes("ethtool"));
  assert.is(genl.families.find("no-such-family"), undefined);
  assert.throws(
    () => genl.families.get("no-such-family"),
    (error: NetlinkError) => error instanceof NetlinkError && error.code === "ENOENT",
  );
});

test("the policies of a family say what each attribute takes", () => {
  using genl = GenericNetlink.open();
  const { operations, policies } = genl.families.policies("nlctrl");
  const policy = policies.get(operations.get(3)?.do ?? -1);
  assert.is(policy?.get(1)?.type, "u16");
  assert.is(policy?.get(2)?.type, "nulString");
  assert.is(policy?.get(2)?.maxLength, 15);
  const only = genl.families.policies("ethtool", { operation: 15 });
  assert.equal([...only.operations.keys()], [15]);
});

test("ethtool: the loopback's features have names, and what it lacks is refused by the operation's name", () => {
  using genl = GenericNetlink.open();
  const family = genl.use(ethtool);
  const { active, hardware, header } = family.get("features", { header: { name: "lo" } });
  assert.is(header?.index, 1);
  assert.ok(bitNames(active).includes("tx-scatter-gather"));
  assert.ok((hardware?.size ?? 0) > 30);
  assert.is(family.get("linkState", { header: { index: 1 } }).link, true);
  assert.throws(
    () => family.get("rings", { header: { name: "lo" } }),
    (error: NetlinkError) => error.code === "EOPNOTSUPP" && error.operation === "ETHTOOL_MSG_RINGS_GET",
  );
  assert.throws(
    () => family.get("features", { header: { name: "no-such-device" } }),
    (error: NetlinkError) => error.code === "ENODEV" && error.attribute === "header.name",
  );
  const devices = [...family.dump("features", { header: {} })].map((one) => one.header?.name);
  assert.ok(devices.includes("lo"));
});

// ethtool -g eth0 of a virtio device, Linux 6.18: ETHTOOL_MSG_RINGS_GET_REPLY.
const rings =
  "10010000180001800800010004000000090002006574683000000000080002000001000008000600000100000800050000010000080009000001000005000d000000000005000e0000000000";

test("the ring sizes of a device decode by their names", () => {
  const types = genericMessages([{ id: 21, declaration: ethtool }]);
  const message = decodeMessage(frame(21, 0, 1, new Uint8Array(Buffer.from(rings, "hex"))), types);
  assert.is(message.name, "ETHTOOL_MSG_RINGS_GET_REPLY");
  const { rxMaximum, txMaximum, rx, tx, unknown } = message.attributes as Record<string, unknown>;
  assert.equal({ rxMaximum, txMaximum, rx, tx }, { rxMaximum: 256, txMaximum: 256, rx: 256, tx: 256 });
  assert.is(unknown, undefined);
  assert.is(
    hex(encodeMessage(message, types)),
    hex(frame(21, 0, 1, new Uint8Array(Buffer.from(rings, "hex")))),
  );
  // The same number in a request is another command.
  const body = encode(bodyOf(ethtool, ethtoolRings), {
    header: { command: 16, version: 1 },
    attributes: { rx: 5 },
  });
  const request = decodeMessage(frame(21, 1, 1, body), types);
  assert.is(request.name, "ETHTOOL_MSG_RINGS_SET");
  assert.is(hex(encodeMessage(request, types)), hex(frame(21, 1, 1, body)));
});

test("netdev: the devices' XDP features, where the kernel has the family", () => {
  using genl = GenericNetlink.open();
  if (!genl.families.find("netdev")) return;
  const family = genl.use(netdev);
  const lo = [...family.dump("device")].find(({ index }) => index === 1);
  assert.ok(Array.isArray(lo?.xdpFeatures));
  assert.equal(family.get("device", { index: 1 }).xdpFeatures, lo?.xdpFeatures);
});

test("a family is one declaration", () => {
  const mine = genericFamily({
    name: "nlctrl",
    version: 2,
    commands: {
      find: {
        constant: "CTRL_CMD_GETFAMILY",
        id: 3,
        request: attributes({ id: [1, "CTRL_ATTR_FAMILY_ID", u16] }),
        reply: attributes({ version: [3, "CTRL_ATTR_VERSION", u32] }),
      },
    },
  });
  using genl = GenericNetlink.open();
  assert.is(genl.use(mine).get("find", { id: 16 }).version, 2);
});

test("a group that the family lacks is refused, and its notifications are awaited otherwise", async () => {
  using genl = GenericNetlink.open();
  assert.throws(() => genl.monitor(ethtool, ["nonsense"]), /has no group "nonsense"/);
  using monitor = genl.monitor(ethtool, ["monitor"]);
  setImmediate(() => monitor.close());
  let count = 0;
  for await (const _ of monitor) count++;
  assert.is(count, 0);
});

test.run();
