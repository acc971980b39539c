import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadOrder, moduleName, parseModulesDep } from "./modules.js";

// From modules.dep of Debian's 6.1.0-50-amd64.
const dependencies = parseModulesDep(`kernel/net/9p/9pnet.ko:
kernel/net/9p/9pnet_virtio.ko: kernel/net/9p/9pnet.ko kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/fscache/fscache.ko kernel/fs/netfs/netfs.ko
kernel/fs/fscache/fscache.ko: kernel/fs/netfs/netfs.ko
kernel/fs/netfs/netfs.ko:
kernel/arch/x86/crypto/aesni-intel.ko.xz: kernel/crypto/crypto_simd.ko.xz
kernel/crypto/crypto_simd.ko.xz:
`);

test("a module comes after all that it needs, and once", () => {
  assert.equal(loadOrder(["9pnet_virtio", "9p"], dependencies, []).map(moduleName), [
    "9pnet",
    "virtio_ring",
    "virtio",
    "9pnet_virtio",
    "netfs",
    "fscache",
    "9p",
  ]);
});

test("a hyphen in a file's name is an underscore in the module's", () => {
  const expected = ["kernel/crypto/crypto_simd.ko.xz", "kernel/arch/x86/crypto/aesni-intel.ko.xz"];
  assert.equal(loadOrder(["aesni_intel"], dependencies, []), expected);
  assert.equal(loadOrder(["aesni-intel"], dependencies, []), expected);
});

test("what is compiled in needs no file, and what is nowhere is an error", () => {
  assert.equal(loadOrder(["virtio_pci"], dependencies, ["kernel/drivers/virtio/virtio_pci.ko", ""]), []);
  assert.throws(() => loadOrder(["sch_fq"], dependencies, []), /no module "sch_fq"/);
});

test("whatever depends on whatever, every file follows its dependencies, and circles end", () => {
  const graph = fc.array(fc.array(fc.nat(9), { maxLength: 4 }), { minLength: 10, maxLength: 10 });
  fc.assert(
    fc.property(graph, (edges) => {
      // Edges to smaller numbers only: no circle.
      const needs = new Map(
        edges.map((to, from) => [`k/m${from}.ko`, to.filter((n) => n < from).map((n) => `k/m${n}.ko`)]),
      );
      const order = loadOrder(["m9", "m5", "m0"], needs, []);
      assert.is(new Set(order).size, order.length);
      for (const [at, file] of order.entries()) {
        for (const needed of needs.get(file)!) assert.ok(order.indexOf(needed) < at);
      }
      const circular = new Map(edges.map((to, from) => [`k/m${from}.ko`, to.map((n) => `k/m${n}.ko`)]));
      assert.ok(loadOrder(["m9"], circular, []).includes("k/m9.ko"));
    }),
  );
});

test.run();
