import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BpfMap } from "../index.js";
import { queryPrograms } from "../index.js";
import { kernelBefore } from "../kernel/call.js";
import { counting } from "../testing/attach.js";
import { needs, testWith } from "../testing/kernel.js";

const test = suite("attaching to sockmaps");

/** Two ends of a connection through loopback. */
async function connection(): Promise<{ client: Socket; server: Socket; close(): void }> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  const client = connect(port, "127.0.0.1");
  const [[server]] = (await Promise.all([once(listener, "connection"), once(client, "connect")])) as [
    [Socket],
    unknown,
  ];
  return {
    client,
    server,
    close() {
      client.destroy();
      server.destroy();
      listener.close();
    },
  };
}

function put(map: BpfMap, socket: Socket): void {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  map.raw.set(new Uint8Array(4), new Uint8Array(Int32Array.of(fd).buffer));
}

test("a program sees the messages that a socket of the map sends", async () => {
  const { client, server, close } = await connection();
  try {
    using counter = counting("sk_msg_pass");
    const sockets = counter.loaded.map("sockets");
    using attached = counter.program.attachSockmap(sockets);
    put(sockets as BpfMap, client);
    client.write("hello");
    const [data] = (await once(server, "data")) as [Buffer];
    assert.is(data.toString(), "hello");
    assert.is(counter.hits(), 1);
    const query = () => queryPrograms({ map: sockets, attachType: "sk_msg_verdict" }).programs;
    if (!kernelBefore(5, 18))
      assert.equal(query(), [{ programId: counter.program.info.id, linkId: undefined }]);
    // Sockets that are in the map keep the program; those that come later have none.
    attached.detach();
    if (!kernelBefore(5, 18)) assert.equal(query(), []);
  } finally {
    close();
  }
});

/**
 * Stable kernels of the 5.10 line lock up when a verdict program passes bytes on to the socket's own process:
 * sk_psock_skb_ingress_enqueue takes sk_callback_lock, which sk_psock_strp_data_ready holds already.
 */
const verdicts = {
  name: "stream verdicts that pass bytes on",
  since: [5, 15],
  has: () => !kernelBefore(5, 15),
} as const;

testWith(test, verdicts, "a verdict program sees the bytes that a socket of the map receives", async () => {
  const { client, server, close } = await connection();
  try {
    using maps = counting("sk_msg_pass");
    const sockets = maps.loaded.map("sockets");
    using parser = counting("stream_parser");
    using verdict = counting("stream_verdict");
    using first = parser.program.attachSockmap(sockets);
    using second = verdict.program.attachSockmap(sockets);
    put(sockets as BpfMap, server);
    client.write("hello");
    const [data] = (await once(server, "data")) as [Buffer];
    assert.is(data.toString(), "hello");
    assert.ok(parser.hits() > 0 && verdict.hits() > 0);
    assert.ok(first && second);
  } finally {
    close();
  }
});

testWith(test, needs.sockmapLink, "a link to a sockmap is described", () => {
  using counter = counting("sk_msg_pass");
  const sockets = counter.loaded.map("sockets");
  using link = counter.program.attachSockmap(sockets, { link: true });
  const { id, ...info } = link.info;
  assert.ok(id > 0);
  assert.equal(info, {
    type: "sockmap",
    programId: counter.program.info.id,
    mapId: sockets.info.id,
    attachType: "sk_msg_verdict",
  });
});

test.run();
