import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { askServer } from "./server/client.js";
import { CallServer, type ServedCall } from "./server/server.js";
import { socketPath, type WireCall, type WireReply, wireCall } from "./server/wire.js";

const folder = mkdtempSync(join(tmpdir(), "weir-serve-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));
let states = 0;
/** A state directory and a BPF filesystem's place of their own: nothing on the machine is touched. */
function place(): { stateDirectory: string; bpffs: string } {
  const stateDirectory = join(folder, `state-${states++}`);
  mkdirSync(stateDirectory);
  return { stateDirectory, bpffs: folder };
}

const del = {
  environment: { command: "DEL", containerId: "pod1", netns: "", ifname: "eth0" },
  input: "",
} as const;
const check = {
  environment: { command: "CHECK", containerId: "pod1", netns: folder, ifname: "eth0" },
  input: "no JSON",
} as const;

/** Sends text as it is, shuts the sending side down, and gives the reply. */
function send(path: string, text: string): Promise<WireReply> {
  return new Promise((resolve, reject) => {
    let reply = "";
    const socket = connect({ path, allowHalfOpen: true });
    socket.on("data", (chunk) => (reply += chunk)).on("error", reject);
    socket.on("end", () => resolve(JSON.parse(reply) as WireReply));
    socket.end(text);
  });
}

test("without a server, and with the socket of a dead one, nobody answers", async () => {
  const options = place();
  assert.is(await askServer(del, options), undefined);
  writeFileSync(socketPath(options), "");
  assert.is(await askServer(del, options), undefined);
});

test("the server answers as the plugin would, errors included, and tells of each call", async () => {
  const options = place();
  const served: ServedCall[] = [];
  const server = await CallServer.listen(options, (call) => served.push(call));
  try {
    assert.is(statSync(server.path).mode & 0o777, 0o600);
    // Nothing is known of the pod, so that DEL has nothing to do.
    assert.is(await askServer(del, options), "");
    try {
      await askServer(check, options);
      assert.unreachable();
    } catch (error) {
      assert.is((error as Error).name, "CniError");
      assert.is((error as { code?: number }).code, 6);
    }
  } finally {
    await server.close();
  }
  assert.equal(
    served.map(({ command, id, problem }) => [command, id, problem === undefined]),
    [
      ["DEL", "pod1/eth0", true],
      ["CHECK", "pod1/eth0", false],
    ],
  );
  assert.is(await askServer(del, options), undefined);
});

test("a call that the server must not answer is declined, and left to the plugin", async () => {
  const options = place();
  const server = await CallServer.listen(options);
  try {
    const good = wireCall(check, options, 10_000);
    const cases: [string, Partial<WireCall>, RegExp][] = [
      ["another version", { version: "0.0.0" }, /the server is weir/],
      ["another namespace", { sight: { ...good.sight, netns: "1:2" } }, /another file at/],
      ["another bpffs", { sight: { ...good.sight, bpffs: "1" } }, /another BPF filesystem/],
      ["too late", { deadlineNs: "1" }, /too late/],
    ];
    for (const [name, change, reason] of cases) {
      const reply = await send(server.path, JSON.stringify({ ...good, ...change }));
      assert.match("declined" in reply ? reply.declined : "", reason, name);
    }
    assert.equal(await send(server.path, '{"version":'), { declined: "the call is no JSON" });
    // The caller sees another namespace there than the server.
    assert.is(
      await askServer(
        { ...check, environment: { ...check.environment, netns: "" } },
        { ...options, bpffs: "/proc" },
      ),
      undefined,
    );
  } finally {
    await server.close();
  }
});

test("a server that dies before it has answered leaves the call to the plugin", async () => {
  const options = place();
  const dying = createServer((socket) => socket.once("data", () => socket.end('{"outp')));
  await new Promise<void>((resolve) => dying.listen(socketPath(options), resolve));
  assert.is(await askServer(del, options), undefined);
  dying.close();
});

test("a second server takes over, and the first one's end does not disturb it", async () => {
  const options = place();
  const [first, second]: ServedCall[][] = [[], []];
  const one = await CallServer.listen(options, (call) => first!.push(call));
  const two = await CallServer.listen(options, (call) => second!.push(call));
  assert.is(await askServer(del, options), "");
  await one.close();
  assert.is(await askServer(del, options), "");
  await two.close();
  assert.equal([first!.length, second!.length], [0, 2]);
  assert.is(statSync(two.path, { throwIfNoEntry: false }), undefined);
});

test.run();
