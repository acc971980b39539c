import { readdirSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NetlinkDumpInterruptedError } from "./netlink-error.js";
import { Rtnetlink } from "./rtnetlink/rtnetlink.js";
import { needs } from "./testing/needs.js";

const root = needs("veth");

const openDescriptors = () => readdirSync("/proc/self/fd").length;

/** In an emulated machine it takes twenty times as long, and shows no more. */
const ROUNDS = process.env.WEIR_VM ? 5_000 : 100_000;

root(`${ROUNDS} sockets opened, used and closed leave no descriptor behind`, () => {
  using namespace = NetworkNamespace.createAnonymous();
  const before = openDescriptors();
  for (let round = 0; round < ROUNDS; round++) {
    using rt = Rtnetlink.open({ netns: namespace });
    if (round % 100 === 2) rt.links.get(1);
    // A dump that is left early, and a request that is refused.
    if (round % 100 === 0) for (const _ of rt.links.dump()) break;
    if (round % 100 === 1) assert.is(rt.links.find("nobody"), undefined);
  }
  assert.is(openDescriptors(), before);
});

/** Makes and removes pairs of devices, on another thread, until it is told to stop. */
const churner = `
  const { workerData, parentPort } = require("node:worker_threads");
  import(workerData.module).then(({ Rtnetlink }) => {
    const rt = Rtnetlink.open({ netns: workerData.netns });
    const stop = new Int32Array(workerData.stop);
    parentPort.postMessage("started");
    for (let round = 0; Atomics.load(stop, 0) === 0; round++) {
      rt.links.add({ name: "churn0", kind: "veth", data: { peer: { name: "churn1" } } });
      rt.links.remove("churn0");
    }
    rt.close();
  });
`;

root(
  "dumps while devices come and go give what stays exactly once, or say that they were interrupted",
  async () => {
    using namespace = NetworkNamespace.createAnonymous();
    using rt = Rtnetlink.open({ netns: namespace });
    rt.batch((batch) => {
      for (let pair = 0; pair < 60; pair++)
        batch.links.add({ name: `a${pair}`, kind: "veth", data: { peer: { name: `b${pair}` } } });
    });
    const stays = [...rt.links.dump()].map((link) => link.name).sort();
    const stop = new SharedArrayBuffer(4);
    const worker = new Worker(churner, {
      eval: true,
      workerData: {
        module: new URL("./index.js", import.meta.url).href,
        netns: `/proc/${process.pid}/fd/${namespace.fd.number}`,
        stop,
      },
    });
    const ended = new Promise<number>((resolve, reject) => {
      worker.on("exit", resolve);
      worker.on("error", reject);
    });
    await new Promise((resolve) => worker.once("message", resolve));
    try {
      for (let round = 0; round < 100; round++) {
        try {
          const names = [...rt.links.dump()].map((link) => link.name);
          assert.equal(names.filter((name) => !name.startsWith("churn")).sort(), stays);
          assert.is(new Set(names).size, names.length);
        } catch (error) {
          if (!(error instanceof NetlinkDumpInterruptedError)) throw error;
          assert.ok(error.partial.length > 0);
        }
      }
    } finally {
      Atomics.store(new Int32Array(stop), 0, 1);
      assert.is(await ended, 0);
    }
    assert.equal([...rt.links.dump()].map((link) => link.name).sort(), stays);
  },
);

test.run();
