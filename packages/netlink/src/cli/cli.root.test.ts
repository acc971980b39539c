import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Rtnetlink } from "../rtnetlink/rtnetlink.js";
import { mirred } from "../tc/action.js";
import { needs } from "../testing/needs.js";
import { dumpKinds } from "./dump.js";

const root = needs("veth", "bridge", "sch_clsact", "sch_htb", "sch_tbf", "cls_u32", "act_mirred");

const main = fileURLToPath(new URL("./main.js", import.meta.url));
const env = { ...process.env, NODE_EXTRA_CA_CERTS: undefined };
const name = `weir-nl-${process.pid}`;
const path = `/run/netns/${name}`;

type Fields = Readonly<Record<string, unknown>>;

/** Runs work in a named namespace that holds one object of each kind. */
async function inFurnishedNamespace(work: (rt: Rtnetlink) => void | Promise<void>): Promise<void> {
  using _namespace = NetworkNamespace.create(path);
  try {
    using rt = Rtnetlink.open({ netns: path });
    rt.links.set("lo", { up: true });
    rt.links.add({ name: "v0", kind: "veth", up: true, mtu: 1400, data: { peer: { name: "v1" } } });
    rt.links.add({ name: "br0", kind: "bridge" });
    const { index } = rt.links.get("v0");
    const other = rt.links.get("v1").index;
    rt.links.set("v1", { up: true, master: rt.links.get("br0").index });
    rt.addresses.add({ index, address: "192.0.2.1/24" });
    rt.routes.add({ destination: "198.51.100.0/24", gateway: "192.0.2.9", table: 77, priority: 5 });
    rt.rules.add({ source: "192.0.2.0/24", table: 77, priority: 100, mark: 5 });
    rt.neighbours.add({ index, destination: "192.0.2.7", address: "02:00:00:00:00:01" });
    rt.qdiscs.add({ index, kind: "htb", parent: "root", handle: "1:", options: { defaultClass: 0x10 } });
    rt.classes.add({
      index,
      kind: "htb",
      parent: "1:",
      handle: "1:10",
      options: { rateBitsPerSecond: 10_000_000n },
    });
    rt.qdiscs.add({ index, kind: "clsact" });
    rt.filters.add({
      index,
      parent: "ingress",
      kind: "u32",
      priority: 3,
      protocol: "ip",
      options: { actions: [mirred({ to: other })] },
    });
    await work(rt);
  } finally {
    NetworkNamespace.remove(path);
  }
}

function run(...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [main, ...args, "--netns", name], {
    encoding: "utf8",
    env,
  });
  assert.equal([status, stderr], [0, ""], args.join(" "));
  return stdout;
}

const json = (...args: string[]): Fields[] => JSON.parse(run("dump", ...args, "--json"));

/** What iproute2 says of the same. */
function oracle(program: "ip" | "tc", ...args: string[]): Fields[] {
  const { stdout, stderr, status } = spawnSync(program, ["-n", name, "-j", ...args], { encoding: "utf8" });
  assert.equal([status, stderr], [0, ""], args.join(" "));
  return JSON.parse(stdout);
}

const sorted = (rows: readonly unknown[][]) => rows.map((row) => JSON.stringify(row)).sort();

root("dumps say what ip says of links, addresses, routes, rules and neighbours", () =>
  inFurnishedNamespace(() => {
    assert.equal(
      sorted(json("link").map((one) => [one.index, one.name, one.mtu, one.address, one.qdisc])),
      sorted(oracle("ip", "link").map((one) => [one.ifindex, one.ifname, one.mtu, one.address, one.qdisc])),
    );
    const addresses = oracle("ip", "addr").flatMap((link) =>
      (link.addr_info as Fields[]).map((one) => [link.ifname, one.local, one.prefixlen, one.scope]),
    );
    assert.equal(
      sorted(json("addr").map((one) => [one.device, one.address, one.prefixLength, one.scope])),
      sorted(addresses),
    );
    const bare = (destination: unknown) => String(destination).replace(/\/(32|128)$/, "");
    const routes = oracle("ip", "-4", "route", "show", "table", "all");
    assert.equal(
      sorted(
        json("route", "--family", "inet").map((one) => [
          bare(one.destination),
          one.gateway,
          one.device,
          one.tableName ?? String(one.table),
          one.priority,
        ]),
      ),
      sorted(
        routes.map((one) => [one.dst, one.gateway, one.dev, String(one.table ?? "main"), one.metric ?? 0]),
      ),
    );
    assert.equal(
      sorted(json("rule", "--family", "4").map((one) => [one.priority, one.tableName ?? String(one.table)])),
      sorted(oracle("ip", "rule").map((one) => [one.priority, one.table])),
    );
    assert.equal(
      json("neigh", "--family", "inet", "--dev", "v0").map((one) => [
        one.destination,
        one.device,
        one.address,
        one.state,
      ]),
      oracle("ip", "-4", "neigh", "show", "dev", "v0").map((one) => [
        one.dst,
        "v0",
        one.lladdr,
        ["permanent"],
      ]),
    );
  }),
);

root("dumps say what tc says of qdiscs, classes and filters", () =>
  inFurnishedNamespace(() => {
    assert.equal(
      sorted(
        json("qdisc").map((one) => [one.kind, one.handleText === "none" ? "0:" : one.handleText, one.device]),
      ),
      sorted(oracle("tc", "qdisc").map((one) => [one.kind, one.handle, one.dev])),
    );
    // Older versions of tc print classes as text although JSON is asked for.
    const classes = spawnSync("tc", ["-n", name, "class", "show", "dev", "v0"], { encoding: "utf8" }).stdout;
    assert.equal(
      json("class", "--dev", "v0").map((one) => `class ${one.kind} ${one.handleText}`),
      classes.match(/^class htb \S+/gm),
    );
    const filters = oracle("tc", "filter", "show", "dev", "v0", "ingress").filter(
      (one) => one.options !== undefined,
    );
    assert.ok(filters.length > 0);
    for (const one of json("filter", "--dev", "v0"))
      assert.equal(
        [one.device, one.kind, one.priority, one.protocol, one.chain],
        ["v0", filters[0]!.kind, filters[0]!.pref, filters[0]!.protocol, filters[0]!.chain],
      );
  }),
);

root("what narrows a dump does so", () =>
  inFurnishedNamespace(() => {
    const names = (rows: readonly Fields[]) => rows.map((one) => one.name).sort();
    assert.equal(names(json("link", "--kind", "veth")), ["v0", "v1"]);
    assert.equal(names(json("link", "--dev", "v0")), ["v0"]);
    assert.equal(names(json("link", "--master", "br0")), ["v1"]);
    assert.equal(
      json("route", "--table", "77").map((one) => one.destination),
      ["198.51.100.0/24"],
    );
    assert.ok(json("route", "--table", "local").every((one) => one.table === 255));
    assert.ok(json("addr", "--family", "inet6").every((one) => one.family === "ipv6"));
    assert.ok(json("neigh", "--family", "bridge", "--master", "br0").length > 0);
    assert.equal(
      json("qdisc", "--parent", "root", "--dev", "v0").map((one) => one.kind),
      ["htb"],
    );
    assert.equal(json("filter", "--parent", "egress"), []);
    assert.ok(json("filter", "--parent", "ingress").length > 0);
    assert.is(json("family").find((one) => one.name === "nlctrl")?.id, 16);
  }),
);

root("lines read as operators know them", () =>
  inFurnishedNamespace(() => {
    assert.match(
      run("dump", "link", "--dev", "v0"),
      /^\d+: v0@v1: <UP,BROADCAST,[A-Z,_]*LOWER_UP> mtu 1400 qdisc htb state UP kind veth ether [0-9a-f:]{17}\n$/,
    );
    assert.match(
      run("dump", "addr", "--dev", "v0", "--family", "inet"),
      /^\d+: v0 inet 192\.0\.2\.1\/24 scope global permanent valid_lft forever/,
    );
    assert.is(
      run("dump", "route", "--table", "77"),
      "198.51.100.0/24 via 192.0.2.9 dev v0 table 77 proto static metric 5\n",
    );
    assert.match(run("dump", "rule"), "\n100: from 192.0.2.0/24 fwmark 0x5 lookup 77");
    assert.match(
      run("dump", "neigh", "--dev", "v0"),
      "192.0.2.7 dev v0 lladdr 02:00:00:00:00:01 PERMANENT\n",
    );
    assert.match(run("dump", "qdisc", "--dev", "v0"), /^qdisc htb 1: dev v0 root .*default_class /m);
    assert.match(run("dump", "class", "--dev", "v0"), /^class htb 1:10 dev v0 root .*rate 10Mbit/m);
    assert.match(
      run("dump", "filter", "--dev", "v0"),
      /^filter dev v0 ingress protocol ip pref 3 u32 .*action mirred egress redirect dev v1/m,
    );
    const details = run("dump", "link", "--dev", "v1", "-d");
    assert.match(details, /\n {4}mtu 1500\n/);
    assert.match(details, /\n {4}master br0\n/);
    for (const kind of dumpKinds)
      assert.not.match(run("dump", kind, "-d"), /undefined|\[object|[^\P{Cc}\n]/u);
  }),
);

/** A monitor whose lines can be waited for. */
class Watched {
  readonly child: ChildProcess;
  output = "";
  errors = "";
  #wake: () => void = () => {};

  constructor(...args: string[]) {
    this.child = spawn(process.execPath, [main, "monitor", ...args, "--netns", name], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (text) => {
      this.output += text;
      this.#wake();
    });
    this.child.stderr?.on("data", (text) => (this.errors += text));
    this.child.on("close", () => this.#wake());
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.output)) {
      assert.is(this.child.exitCode, null, `${pattern} in ${this.output}${this.errors}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Ends it, and gives its exit code and what it complained of. */
  async end(signal: NodeJS.Signals): Promise<readonly unknown[]> {
    const closed = once(this.child, "close");
    this.child.kill(signal);
    const [code] = await closed;
    return [code, this.errors];
  }

  [Symbol.dispose](): void {
    this.child.kill("SIGKILL");
  }
}

root("a monitor sees a link that is added, and ends cleanly with SIGINT and SIGTERM", () =>
  inFurnishedNamespace(async (rt) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      using watched = new Watched("link", "addr", "--initial");
      await watched.until(/^synced: /m);
      assert.match(watched.output, /^resync: /);
      assert.match(watched.output, /^present link \d+: v0@v1: </m);
      rt.links.add({ name: "br7", kind: "bridge" });
      rt.addresses.add({ index: rt.links.get("br7").index, address: "203.0.113.7/24" });
      rt.links.set("v1", { master: 0 });
      rt.links.set("v1", { master: rt.links.get("br0").index });
      rt.links.remove("br7");
      await watched.until(/^removed link \d+: br7: /m);
      assert.match(watched.output, /^new link \d+: br7: <[A-Z,]+> mtu 1500 .*kind bridge/m);
      assert.match(watched.output, /^new address \d+: br7 inet 203\.0\.113\.7\/24 /m);
      assert.match(watched.output, /^other RTM_DELLINK family bridge type ether index v1 /m);
      assert.equal(await watched.end(signal), [0, ""]);
    }
  }),
);

root("a monitor says resync where the kernel had to drop messages, and goes on", () =>
  inFurnishedNamespace(async (rt) => {
    using watched = new Watched("link", "--initial", "--json", "--buffer", "4096");
    await watched.until(/"type":"synced"/);
    watched.output = "";
    watched.child.kill("SIGSTOP");
    for (let round = 0; round < 300; round++) rt.links.set("lo", { alias: `round ${round}` });
    watched.child.kill("SIGCONT");
    await watched.until(/"type":"synced"/);
    rt.links.set("lo", { alias: "afterwards" });
    await watched.until(/"alias":"afterwards"/);
    const events = watched.output
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Fields);
    const resync = events.findIndex((event) => event.type === "resync");
    assert.ok(resync >= 0);
    const present = events.slice(resync).filter((event) => event.change === "present");
    assert.ok(present.some((event) => event.device === "lo" && (event.link as Fields).alias === "round 299"));
    assert.equal(await watched.end("SIGINT"), [0, ""]);
  }),
);

root("a monitor tells of one device, and ends after the events that were asked for", () =>
  inFurnishedNamespace(async (rt) => {
    // The kernel tells of an alias only where the device is up.
    rt.links.set("br0", { up: true });
    using watched = new Watched("link", "--dev", "br0", "--count", "6", "--initial", "--json");
    await watched.until(/"type":"synced"/);
    for (let round = 0; round < 9; round++)
      for (const device of ["lo", "br0"]) rt.links.set(device, { alias: `round ${round}` });
    await once(watched.child, "close");
    assert.is(watched.child.exitCode, 0);
    const events = watched.output
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Fields);
    assert.equal([...new Set(events.flatMap(({ device }) => device ?? []))], ["br0"]);
    assert.is(events.filter(({ type }) => type === "link").length, 6);
  }),
);

test.run();
