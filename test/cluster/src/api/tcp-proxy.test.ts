import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TcpProxy } from "./tcp-proxy.js";

/** A server that sends back what it gets. */
async function echo(): Promise<{ port: number } & AsyncDisposable> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  };
}

async function client(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function read(socket: Socket, bytes: number): Promise<string> {
  let text = "";
  while (text.length < bytes) {
    const [data] = (await once(socket, "data")) as [Buffer];
    text += data.toString();
  }
  return text;
}

test("bytes pass both ways in order, and an end passes as an end", async () => {
  await using server = await echo();
  await using proxy = await TcpProxy.open({ host: "127.0.0.1", port: server.port });
  proxy.faults = { delayMs: 5 };
  const socket = await client(proxy.port);
  for (const word of ["one ", "two ", "three"]) socket.write(word);
  assert.is(await read(socket, 13), "one two three");
  socket.end();
  await once(socket, "end");
  assert.is(proxy.accepted, 1);
});

test("a cut resets what is open, and a new connection passes", async () => {
  await using server = await echo();
  await using proxy = await TcpProxy.open({ host: "127.0.0.1", port: server.port });
  const socket = await client(proxy.port);
  socket.write("x");
  await read(socket, 1);
  const broken = new Promise((resolve) => socket.on("close", resolve));
  proxy.cut();
  await broken;
  assert.is(proxy.open, 0);
  const again = await client(proxy.port);
  again.write("y");
  assert.is(await read(again, 1), "y");
  again.destroy();
});

test("a frozen connection takes bytes and stays dumb after others pass again", async () => {
  await using server = await echo();
  await using proxy = await TcpProxy.open({ host: "127.0.0.1", port: server.port });
  const old = await client(proxy.port);
  old.write("x");
  await read(old, 1);
  let heard = "";
  old.on("data", (data) => {
    heard += data;
  });
  proxy.freeze();
  old.write("into the void");
  const during = await client(proxy.port);
  during.write("nobody there");
  during.on("data", (data) => {
    heard += data;
  });
  // A third connection's answer comes after what the first two could have got.
  proxy.thaw();
  const fresh = await client(proxy.port);
  fresh.write("z");
  assert.is(await read(fresh, 1), "z");
  old.write("still");
  fresh.write("z");
  await read(fresh, 1);
  assert.is(heard, "");
  for (const socket of [old, during, fresh]) socket.destroy();
});

test("where it refuses nothing listens, until it accepts again", async () => {
  await using server = await echo();
  await using proxy = await TcpProxy.open({ host: "127.0.0.1", port: server.port });
  await proxy.refuse();
  const refused = connect({ host: "127.0.0.1", port: proxy.port });
  const [error] = (await once(refused, "error")) as [NodeJS.ErrnoException];
  assert.is(error.code, "ECONNREFUSED");
  await proxy.accept();
  const socket = await client(proxy.port);
  socket.write("x");
  assert.is(await read(socket, 1), "x");
  socket.destroy();
});

test.run();
