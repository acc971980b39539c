import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CniCache, parseCached } from "./cni-cache.js";

const conflist = {
  cniVersion: "1.0.0",
  name: "pods",
  plugins: [{ type: "ipvlan" }, { type: "weir", capabilities: { bandwidth: true }, markMs: 3 }],
};
const cached = (more: object = {}, config: object = conflist) =>
  JSON.stringify({
    kind: "cniCacheV1",
    containerId: "ab12",
    config: Buffer.from(JSON.stringify(config)).toString("base64"),
    ifName: "eth0",
    networkName: "pods",
    cniArgs: [
      ["IgnoreUnknown", "1"],
      ["K8S_POD_NAMESPACE", "web"],
      ["K8S_POD_NAME", "shop-0"],
      ["K8S_POD_INFRA_CONTAINER_ID", "ab12"],
      ["K8S_POD_UID", "7d3c"],
    ],
    capabilityArgs: { bandwidth: { IngressRate: 1_000_000 } },
    result: {
      cniVersion: "1.0.0",
      interfaces: [{ name: "eth0", mac: "02:00:00:00:00:01", sandbox: "/var/run/netns/cni-1" }],
      ips: [{ address: "10.1.0.5/16", interface: 0 }],
    },
    ...more,
  });

test("a file of libcni says whose the interface is, where it is, and what weir was told of it", () => {
  const { result, ...rest } = parseCached("/f", cached())!;
  assert.equal(rest, {
    file: "/f",
    containerId: "ab12",
    ifname: "eth0",
    netns: "/var/run/netns/cni-1",
    pod: { namespace: "web", name: "shop-0", uid: "7d3c" },
    network: "pods",
    cniVersion: "1.0.0",
    entry: { type: "weir", capabilities: { bandwidth: true }, markMs: 3 },
  });
  assert.is((result.ips as unknown[]).length, 1);
});

test("newer versions write the namespace beside the result, which need not name it", () => {
  assert.is(parseCached("/f", cached({ netns: "/run/netns/x", result: {} }))?.netns, "/run/netns/x");
  assert.is(parseCached("/f", cached({ result: {} })), undefined);
});

test("a network without weir has no entry, and a single plugin is a list of one", () => {
  assert.is(parseCached("/f", cached({}, { ...conflist, plugins: [{ type: "ipvlan" }] }))?.entry, undefined);
  assert.is(parseCached("/f", cached({}, { name: "n", type: "weir" }))?.entry?.type, "weir");
});

test("folders are read anew, files once, and what is no such file is passed over", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-cache-"));
  try {
    const cache = new CniCache([folder, join(folder, "missing")]);
    assert.equal(cache.list(), []);
    const file = join(folder, "pods-ab12-eth0");
    writeFileSync(file, cached().slice(0, 40));
    writeFileSync(join(folder, "lock"), "");
    cache.expire();
    assert.equal(cache.list(), []);
    writeFileSync(file, cached());
    cache.expire();
    const [first] = cache.list();
    assert.is(first?.containerId, "ab12");
    cache.expire();
    assert.is(cache.list()[0], first);
    assert.is(cache.ofPod({ namespace: "web", name: "shop-0" })[0], first);
    assert.equal(cache.ofPod({ namespace: "web", name: "shop-1" }), []);
    unlinkSync(file);
    cache.expire();
    assert.equal(cache.list(), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
