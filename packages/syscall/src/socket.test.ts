import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SystemError } from "./errors.js";
import { MessageFlag, Socket } from "./socket.js";

const AF_NETLINK = 16;
const SOCK_RAW = 3;

/** RTM_GETLINK for the loopback device, by index. */
function getLoopback(): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 32, true);
  view.setUint16(4, 18, true);
  view.setUint16(6, 1, true);
  view.setUint32(8, 7, true);
  view.setInt32(20, 1, true);
  return bytes;
}

test("a request gets its answer, whose real length is known before it is read", () => {
  using socket = Socket.open(AF_NETLINK, SOCK_RAW, 0);
  socket.bind(new Uint8Array([16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  assert.is(socket.localAddress().length, 12);
  socket.send(getLoopback());
  const real = socket.receive(new Uint8Array(1), MessageFlag.PEEK | MessageFlag.TRUNC);
  assert.ok(real > 100);
  const address = new Uint8Array(12);
  const message = socket.receiveMessage(new Uint8Array(real), { address });
  assert.is(message?.length, real);
  assert.is(message?.flags, 0);
  assert.is(message?.addressLength, 12);
  assert.is(address[0], AF_NETLINK);
});

test("a message longer than the buffer is flagged as cut", () => {
  using socket = Socket.open(AF_NETLINK, SOCK_RAW, 0);
  socket.send(getLoopback());
  const message = socket.receiveMessage(new Uint8Array(20));
  assert.ok(message && message.flags & MessageFlag.TRUNC);
});

test("nothing to receive is not an error for receiveMessage and EAGAIN for receive", () => {
  using socket = Socket.open(AF_NETLINK, SOCK_RAW, 0);
  const buffer = new Uint8Array(16);
  assert.is(socket.receiveMessage(buffer, { flags: MessageFlag.DONTWAIT }), undefined);
  assert.throws(
    () => socket.receive(buffer, MessageFlag.DONTWAIT),
    (error: SystemError) => error.code === "EAGAIN",
  );
});

test("readability is reported on the main loop while the thread pool stays free", async () => {
  using socket = Socket.open(AF_NETLINK, SOCK_RAW, 0);
  const arrived = new Promise<void>((resolve, reject) => {
    const readiness = socket.onReadable((error) => {
      readiness.close();
      error ? reject(error) : resolve();
    });
  });
  (globalThis as { gc?: () => void }).gc?.();
  for (let i = 0; i < 20; i++) new Array(100_000).fill(i).map(String);
  socket.send(getLoopback());
  await arrived;
  assert.ok(socket.receive(new Uint8Array(65536), MessageFlag.DONTWAIT) > 100);
});

test("an unreferenced subscription does not keep the process alive, and closing twice is fine", () => {
  using socket = Socket.open(AF_NETLINK, SOCK_RAW, 0);
  const readiness = socket.onReadable(() => {});
  readiness.unref();
  readiness.close();
  readiness.close();
});

test("an option is written and read back", () => {
  const SOL_SOCKET = 1;
  const SO_RCVBUF = 8;
  using socket = Socket.open(AF_NETLINK, SOCK_RAW, 0);
  socket.setOption(SOL_SOCKET, SO_RCVBUF, 50_000);
  const value = socket.getOption(SOL_SOCKET, SO_RCVBUF, 4);
  assert.is(new DataView(value.buffer).getInt32(0, true), 100_000);
});

test("a family that does not exist is refused by name", () => {
  assert.throws(
    () => Socket.open(240, 3, 0, { name: "strange socket" }),
    (error: SystemError) => error.code === "EAFNOSUPPORT" && error.message.includes("strange socket"),
  );
});

test.run();
