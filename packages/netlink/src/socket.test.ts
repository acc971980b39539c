import { test } from "uvu";
import * as assert from "uvu/assert";
import { Rtnetlink } from "./rtnetlink/rtnetlink.js";
import { attributes, indexed, message, Output, string, struct, u8, u16, u32 } from "./schema/index.js";
import { NetlinkProtocol, NetlinkSocket } from "./socket.js";

// A family that the package does not know, declared from include/uapi/linux/genetlink.h: no root needed.
const genlmsghdr = struct("genlmsghdr", { command: u8, version: u8, reserved: u16 });
const controller = message(
  genlmsghdr,
  attributes({
    id: [1, "CTRL_ATTR_FAMILY_ID", u16],
    name: [2, "CTRL_ATTR_FAMILY_NAME", string],
    version: [3, "CTRL_ATTR_VERSION", u32],
    operations: [
      6,
      "CTRL_ATTR_OPS",
      indexed(attributes({ id: [1, "CTRL_ATTR_OP_ID", u32], flags: [2, "CTRL_ATTR_OP_FLAGS", u32] })),
    ],
  }),
);
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;

function familyRequest(name?: string) {
  const body = schemaBytes({ header: { command: CTRL_CMD_GETFAMILY, version: 1 }, attributes: { name } });
  return {
    operation: "CTRL_CMD_GETFAMILY",
    action: "get a family",
    type: GENL_ID_CTRL,
    body,
    schema: controller,
  };
}

function schemaBytes(value: Parameters<typeof controller.encode>[1]): Uint8Array {
  const output = new Output();
  controller.encode(output, value);
  return output.finish();
}

test("a family declared by the user is dumped and asked", () => {
  using socket = NetlinkSocket.open(NetlinkProtocol.GENERIC);
  const names = [...socket.dump(familyRequest(), controller)].map(({ attributes }) => attributes.name);
  assert.ok(names.includes("nlctrl"));
  const { attributes } = socket.get(familyRequest("nlctrl"), controller);
  assert.is(attributes.id, GENL_ID_CTRL);
  assert.ok((attributes.operations?.length ?? 0) > 0);
});

test("a refusal of that family names the operation", () => {
  using socket = NetlinkSocket.open(NetlinkProtocol.GENERIC);
  assert.throws(
    () => socket.get(familyRequest("nonsense"), controller),
    (error: { code?: string; message: string }) =>
      error.code === "ENOENT" && error.message.startsWith("could not get a family: "),
  );
});

test("a socket knows its port and checks strictly", () => {
  using socket = NetlinkSocket.open(NetlinkProtocol.ROUTE);
  using other = NetlinkSocket.open(NetlinkProtocol.ROUTE);
  assert.ok(socket.port > 0);
  assert.is.not(socket.port, other.port);
  assert.is(socket.strict, true);
});

test("a protocol that the kernel lacks is a SystemError", () => {
  assert.throws(
    () => NetlinkSocket.open(31),
    (error: { code?: string }) => error.code === "EPROTONOSUPPORT",
  );
});

test("a request whose answer never comes ends after the timeout", () => {
  using socket = NetlinkSocket.open(NetlinkProtocol.ROUTE, { timeoutMs: 20 });
  // NLMSG_NOOP is passed over by the kernel without an answer, unless one is asked for: net/netlink/af_netlink.c.
  assert.throws(
    () =>
      socket.get(
        { operation: "NLMSG_NOOP", action: "wait for nothing", type: 1, body: new Uint8Array(16) },
        controller,
      ),
    (error: { code?: string }) => error.code === "ETIMEDOUT",
  );
});

test("the loopback device can be read without any privilege", () => {
  using rt = Rtnetlink.open();
  assert.is(rt.links.get("lo").index, 1);
  assert.is(rt.links.get(1).name, "lo");
  assert.ok([...rt.links.dump()].some(({ name }) => name === "lo"));
});

test.run();
