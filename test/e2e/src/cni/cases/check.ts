import { expect } from "../bench.js";
import type { Case } from "../cases.js";

/** CHECK: SPEC.md, "CHECK". */
export const checkCases: readonly Case[] = [
  {
    title: "CHECK after ADD says nothing",
    level: "must",
    since: "0.4.0",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      await bench.succeed("CHECK", { fields: { prevResult } });
    },
  },
  {
    title: "CHECK without a result before it is an error",
    level: "must",
    since: "0.4.0",
    async run(bench) {
      await bench.succeed("ADD");
      await bench.fail("CHECK", undefined, { fields: { prevResult: undefined } });
    },
  },
  {
    title: "CHECK before 0.4.0 is an error of code 1",
    level: "must",
    since: "0.4.0",
    async run(bench) {
      for (const cniVersion of bench.versions.filter((version) => version >= "0.3.0" && version < "0.4.0")) {
        await bench.fail("CHECK", 1, { cniVersion });
      }
    },
  },
  {
    title: "CHECK of an interface that is gone is an error",
    level: "must",
    since: "0.4.0",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      bench.place.removeDevice();
      await bench.fail("CHECK", undefined, { fields: { prevResult } });
    },
  },
  {
    title: "CHECK of a namespace that is gone is an error",
    level: "must",
    since: "0.4.0",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      bench.place.endPod();
      await bench.fail("CHECK", undefined, { fields: { prevResult } });
    },
  },
  {
    title: "CHECK of what was never added, or was deleted, is an error",
    level: "must",
    since: "0.4.0",
    async run(bench) {
      await bench.fail("CHECK", undefined);
      const prevResult = await bench.succeed("ADD");
      await bench.succeed("DEL", { fields: { prevResult } });
      await bench.fail("CHECK", undefined, { fields: { prevResult } });
    },
  },
  {
    title: "CHECK changes nothing: what is damaged stays so",
    level: "must",
    since: "0.4.0",
    async run(bench) {
      const prevResult = await bench.succeed("ADD");
      const before = JSON.stringify(bench.place.snapshot());
      await bench.call("CHECK", { fields: { prevResult } });
      expect(JSON.stringify(bench.place.snapshot()) === before, "CHECK changed something");
    },
  },
];
