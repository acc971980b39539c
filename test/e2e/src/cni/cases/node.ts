import { isDeepStrictEqual } from "node:util";
import { type Bench, expect } from "../bench.js";
import type { Case } from "../cases.js";

const VALID = "cni.dev/valid-attachments";

/** A GC of the network in which the attachments of some benches, and no others, are valid. */
function collect(bench: Bench, valid: readonly Bench[], name = bench.network): Promise<unknown> {
  const list = valid.map(({ containerId }) => ({ containerID: containerId, ifname: "eth0" }));
  return bench.succeed("GC", { fields: { name, [VALID]: list } });
}

/** What is about the node rather than a pod: SPEC.md, "GC" and "STATUS". */
export const nodeCases: readonly Case[] = [
  {
    title: "GC keeps what is declared valid",
    level: "must",
    since: "1.1.0",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      const before = bench.place.snapshot();
      await collect(bench, [bench]);
      expect(isDeepStrictEqual(bench.place.snapshot(), before), "GC took something away");
      await bench.succeed("CHECK", { fields: { prevResult } });
    },
  },
  {
    title: "GC takes away what is not declared valid",
    level: "should",
    since: "1.1.0",
    async run(bench) {
      const before = bench.place.snapshot();
      await bench.succeed("ADD");
      await collect(bench, []);
      expect(isDeepStrictEqual(bench.place.snapshot(), before), "something is left");
    },
  },
  {
    title: "GC leaves other networks' attachments alone",
    level: "must",
    since: "1.1.0",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      const before = bench.place.snapshot();
      await collect(bench, [], `${bench.network}-other`);
      expect(isDeepStrictEqual(bench.place.snapshot(), before), "GC took another network's attachment away");
      await bench.succeed("CHECK", { fields: { prevResult } });
    },
  },
  {
    title: "GC succeeds with a container whose namespace is gone, declared valid or not",
    level: "must",
    since: "1.1.0",
    async run(bench) {
      await bench.succeed("ADD");
      bench.place.endPod();
      await collect(bench, [bench]);
      await collect(bench, []);
    },
  },
  {
    title: "STATUS says nothing where ADD would work, and needs no variable of a container",
    level: "must",
    since: "1.1.0",
    async run(bench) {
      await bench.succeed("STATUS");
      const empty = { CNI_CONTAINERID: "", CNI_NETNS: "", CNI_IFNAME: "", CNI_ARGS: "" };
      await bench.succeed("STATUS", { env: empty });
    },
  },
  {
    title: "GC and STATUS before 1.1.0 are errors of code 1",
    level: "must",
    since: "1.1.0",
    async run(bench) {
      const fields = { [VALID]: [] };
      for (const command of ["GC", "STATUS"] as const) {
        await bench.fail(command, 1, { cniVersion: "1.0.0", fields });
      }
    },
  },
];
