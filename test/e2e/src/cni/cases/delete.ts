import { isDeepStrictEqual } from "node:util";
import { expect } from "../bench.js";
import type { Case } from "../cases.js";

/** DEL: SPEC.md, "DEL", which asks plugins to complete without an error even where something is missing. */
export const deleteCases: readonly Case[] = [
  {
    title: "DEL leaves the pod and its node as they were before ADD",
    level: "should",
    async run(bench) {
      const before = bench.place.snapshot();
      const prevResult = await bench.succeed("ADD");
      await bench.succeed("DEL", { fields: { prevResult } });
      expect(isDeepStrictEqual(bench.place.snapshot(), before), "something is left");
    },
  },
  {
    title: "DEL twice, the second time without namespace and result (containerd does so)",
    level: "must",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      await bench.succeed("DEL", { fields: { prevResult } });
      await bench.succeed("DEL", { env: { CNI_NETNS: "" }, fields: { prevResult: undefined } });
    },
  },
  {
    title: "DEL without the variable CNI_NETNS",
    level: "must",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      await bench.succeed("DEL", { env: { CNI_NETNS: undefined }, fields: { prevResult } });
    },
  },
  {
    title: "DEL of what was never added",
    level: "must",
    run: async (bench) => void (await bench.succeed("DEL")),
  },
  {
    title: "DEL with the namespace gone",
    level: "must",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      bench.place.endPod();
      await bench.succeed("DEL", { fields: { prevResult } });
    },
  },
  {
    title: "DEL with the interface gone",
    level: "must",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      bench.place.removeDevice();
      await bench.succeed("DEL", { fields: { prevResult } });
    },
  },
  {
    title: "DEL without a result before it, after which nothing is left",
    level: "should",
    async run(bench) {
      const before = bench.place.snapshot();
      await bench.succeed("ADD");
      await bench.succeed("DEL", { fields: { prevResult: undefined } });
      expect(isDeepStrictEqual(bench.place.snapshot(), before), "something is left");
    },
  },
  {
    title: "DEL after an ADD that failed",
    level: "must",
    async run(bench) {
      const env = { CNI_IFNAME: "absent0" };
      await bench.fail("ADD", undefined, { env });
      await bench.succeed("DEL", { env });
    },
  },
];
