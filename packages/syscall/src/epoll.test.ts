import { test } from "uvu";
import * as assert from "uvu/assert";
import { Epoll, EpollEvent } from "./epoll.js";
import { onReadable } from "./readiness.js";
import { MessageFlag, Socket } from "./socket.js";

/** A datagram socket that sends to itself. */
function loop(): Socket {
  const socket = Socket.open(2, 2, 0);
  const address = new Uint8Array(16);
  address.set([2, 0, 0, 0, 127, 0, 0, 1]);
  socket.bind(address);
  socket.connect(socket.localAddress());
  return socket;
}

test("a wait tells which descriptors are ready, and a removed one no longer", () => {
  using epoll = Epoll.open();
  using a = loop();
  using b = loop();
  epoll.add(a.fd, EpollEvent.IN, 7);
  epoll.add(b.fd, EpollEvent.IN, 0xffff_fff8);
  assert.is(epoll.wait(0), 0);
  b.send(Uint8Array.of(1));
  assert.is(epoll.wait(-1), 1);
  assert.is(epoll.data(0), 0xffff_fff8);
  a.send(Uint8Array.of(1));
  assert.is(epoll.wait(-1), 2);
  epoll.remove(b.fd);
  assert.is(epoll.wait(-1), 1);
  assert.is(epoll.data(0), 7);
  assert.throws(() => epoll.remove(b.fd), /ENOENT from epoll_ctl/);
});

test("an edge is told once", () => {
  using epoll = Epoll.open();
  using socket = loop();
  epoll.add(socket.fd, EpollEvent.IN + EpollEvent.EDGE, 0);
  socket.send(Uint8Array.of(1));
  assert.is(epoll.wait(-1), 1);
  assert.is(epoll.wait(0), 0);
  socket.receive(new Uint8Array(1), MessageFlag.DONTWAIT);
  socket.send(Uint8Array.of(1));
  assert.is(epoll.wait(-1), 1);
});

test("the main loop can wait for an epoll instance", async () => {
  using epoll = Epoll.open();
  using socket = loop();
  epoll.add(socket.fd, EpollEvent.IN + EpollEvent.EDGE, 3);
  const data = await new Promise<number>((resolve) => {
    const readiness = onReadable(epoll.fd, () => {
      if (epoll.wait(0) !== 1) return;
      readiness.close();
      resolve(epoll.data(0));
    });
    socket.send(Uint8Array.of(1));
  });
  assert.is(data, 3);
});

test.run();
