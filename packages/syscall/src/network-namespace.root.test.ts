import { execFileSync } from "node:child_process";
import { existsSync, fstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync, stat } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Fd } from "./fd.js";
import { ioctl } from "./ioctl.js";
import { NetworkNamespace } from "./network-namespace.js";
import { Socket } from "./socket.js";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
/** include/uapi/linux/sockios.h: the namespace of a socket, as a descriptor. */
const SIOCGSKNS = 0x894c;

const folder = mkdtempSync(join(tmpdir(), "weir-netns-"));
const path = join(folder, "blue");
const self = () => readlinkSync("/proc/thread-self/ns/net");
const home = self();
const idOf = (namespace: NetworkNamespace) => `net:[${namespace.identity.inode}]`;

test.before(() => NetworkNamespace.create(path).close());
test.after(() => {
  NetworkNamespace.remove(path);
  NetworkNamespace.remove(path);
  rmSync(folder, { recursive: true });
});

test("a window runs inside the namespace and comes back", () => {
  using blue = NetworkNamespace.open(path);
  assert.is(blue.run(self), idOf(blue));
  assert.is(self(), home);
});

test("a child that the window waits for runs inside", () => {
  using blue = NetworkNamespace.open(path);
  const readlink = () =>
    execFileSync("readlink", ["/proc/self/ns/net"], { encoding: "utf8", input: "" }).trim();
  assert.is(blue.run(readlink), idOf(blue));
  assert.is(readlink(), home);
});

test("a window comes back when the work throws", () => {
  using blue = NetworkNamespace.open(path);
  assert.throws(
    () =>
      blue.run(() => {
        throw new Error("inside");
      }),
    /inside/,
  );
  assert.is(self(), home);
});

test("windows nest, and each comes back to where it began", () => {
  using blue = NetworkNamespace.open(path);
  const redPath = join(folder, "red");
  using red = NetworkNamespace.create(redPath);
  try {
    blue.run(() => {
      assert.is(red.run(self), idOf(red));
      assert.is(self(), idOf(blue));
    });
    assert.is(self(), home);
  } finally {
    NetworkNamespace.remove(redPath);
  }
});

test("a socket opened in a namespace stays there", () => {
  using blue = NetworkNamespace.open(path);
  using socket = Socket.open(AF_NETLINK, SOCK_RAW, 0, { netns: blue });
  using place = Fd.adopt(ioctl(socket.fd, SIOCGSKNS, null, "ask for the socket's namespace"), "namespace");
  assert.is(fstatSync(place.number, { bigint: true }).ino, blue.identity.inode);
  assert.is(self(), home);
});

test("a promise is refused, and its rejection does not end the process", () => {
  using blue = NetworkNamespace.open(path);
  assert.throws(
    () =>
      blue.run(async () => {
        throw new Error("late");
      }),
    /must be synchronous/,
  );
  assert.is(self(), home);
});

test("work that Node would do later or in another thread is refused by name", async () => {
  using blue = NetworkNamespace.open(path);
  assert.throws(
    () =>
      blue.run(() => {
        stat("/", () => {});
      }),
    /FSREQCALLBACK was started inside/,
  );
  const server = createServer();
  assert.throws(
    () =>
      blue.run(() => {
        server.listen(0, "127.0.0.1");
      }),
    /was started inside/,
  );
  await new Promise((resolve) => server.close(resolve));
  let worker: Worker | undefined;
  assert.throws(
    () =>
      blue.run(() => {
        worker = new Worker("", { eval: true });
      }),
    /WORKER was started inside/,
  );
  await worker?.terminate();
  assert.is(self(), home);
});

test("libuv's threads are all at home, though the first file operation follows a window", async () => {
  const module = new URL("./network-namespace.js", import.meta.url).href;
  const script = `
    import { NetworkNamespace } from ${JSON.stringify(module)};
    import { readdirSync, readlinkSync, stat } from "node:fs";
    const blue = NetworkNamespace.open(${JSON.stringify(path)});
    blue.run(() => {}); blue.close();
    stat("/", () => {
      const places = new Set(readdirSync("/proc/self/task").map((id) => readlinkSync("/proc/self/task/" + id + "/ns/net")));
      console.log([...places].join(" "));
    });`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.is(output.trim(), home);
});

test("a namespace is made and removed as `ip netns` does it", () => {
  const name = join(folder, "green");
  {
    using green = NetworkNamespace.create(name);
    assert.ok(existsSync(name));
    assert.is.not(idOf(green), home);
    assert.ok(readFileSync("/proc/self/mountinfo", "utf8").includes(name));
  }
  assert.throws(() => NetworkNamespace.create(name), /EEXIST/);
  NetworkNamespace.remove(name);
  assert.not.ok(existsSync(name));
});

test("an anonymous namespace is another one, and nothing is left of it on disk", () => {
  using scratch = NetworkNamespace.createAnonymous();
  assert.is.not(idOf(scratch), home);
  assert.is(scratch.run(self), idOf(scratch));
  assert.is(self(), home);
});

test("what is no namespace is refused in a sentence", () => {
  assert.throws(
    () => NetworkNamespace.open("/run/netns/nobody"),
    /could not open the network namespace \/run\/netns\/nobody: no such file/,
  );
  assert.throws(() => NetworkNamespace.open("/etc/hostname"), /must name a network namespace/);
  assert.throws(() => NetworkNamespace.open("/proc/self/ns/mnt"), /must name a network namespace/);
});

test.run();
