import { isDeepStrictEqual } from "node:util";
import { expect, shorten } from "../bench.js";
import type { Case } from "../cases.js";

/** ADD and what it hands on: SPEC.md, "ADD" and "Section 5: Result Types". */
export const addCases: readonly Case[] = [
  {
    title:
      "ADD does its work, and says so in every version that it speaks, with the result before it handed on",
    level: "must",
    async run(bench) {
      for (const cniVersion of bench.versions.filter((version) => version >= "0.3.0")) {
        using other = bench.another();
        const result = await other.succeed("ADD", { cniVersion });
        const before = other.place.result(cniVersion);
        expect(
          result.cniVersion === cniVersion,
          `asked in ${cniVersion}, it answers in ${result.cniVersion}`,
        );
        for (const key of ["ips", "routes", "dns"]) {
          const same = isDeepStrictEqual(result[key], before[key]);
          expect(same, `${cniVersion}: ${key} is ${shorten(JSON.stringify(result[key]))}`);
        }
        const names = (list: unknown) => (list as { name: string }[]).map(({ name }) => name);
        const missing = names(before.interfaces).filter((name) => !names(result.interfaces).includes(name));
        expect(missing.length === 0, `${cniVersion}: interfaces lacks ${missing.join(", ")}`);
        await other.succeed("DEL", { cniVersion });
      }
    },
  },
  {
    title: "ADD changes the pod or its node",
    level: "should",
    async run(bench) {
      const before = bench.place.snapshot();
      await bench.succeed("ADD");
      expect(
        !isDeepStrictEqual(bench.place.snapshot(), before),
        "nothing changed that can be seen from outside",
      );
    },
  },
  {
    title: "fields of the result before it that it does not know are handed on",
    level: "should",
    async run(bench) {
      const prevResult = { ...bench.place.result(bench.cniVersion), "example.com/unknown": { number: 7 } };
      const result = await bench.succeed("ADD", { fields: { prevResult } });
      const unknown = JSON.stringify(result["example.com/unknown"]);
      expect(unknown === '{"number":7}', `an unknown field becomes ${unknown}`);
    },
  },
  {
    title: "a result of another version is converted to the configuration's",
    level: "should",
    async run(bench) {
      const spoken = bench.versions.filter((version) => version >= "0.3.0");
      for (const [from, to] of [
        [spoken[0]!, spoken.at(-1)!],
        [spoken.at(-1)!, spoken[0]!],
      ] as const) {
        using other = bench.another();
        const fields = { prevResult: other.place.result(from) };
        const result = await other.succeed("ADD", { cniVersion: to, fields });
        expect(result.cniVersion === to, `${from} to ${to}: it answers in ${result.cniVersion}`);
        const [ip] = result.ips as { version?: string }[];
        const family = to.startsWith("0.") ? "4" : undefined;
        expect(ip?.version === family, `${from} to ${to}: ips[0].version is ${ip?.version}`);
        await other.succeed("DEL", { cniVersion: to });
      }
    },
  },
  {
    title: "ADD without a result before it is an error",
    level: "must",
    run: async (bench) => void (await bench.fail("ADD", undefined, { fields: { prevResult: undefined } })),
  },
  {
    title: "ADD for an interface that is not there is an error, and leaves nothing behind",
    level: "must",
    async run(bench) {
      const before = bench.place.snapshot();
      const prevResult = bench.place.result(bench.cniVersion);
      for (const one of prevResult.interfaces as { name: string; sandbox?: string }[]) {
        if (one.sandbox !== undefined) one.name = "absent0";
      }
      await bench.fail("ADD", undefined, { env: { CNI_IFNAME: "absent0" }, fields: { prevResult } });
      expect(isDeepStrictEqual(bench.place.snapshot(), before), "it left something behind");
    },
  },
  {
    title: "ADD for a network namespace that is not there is an error, and leaves nothing behind",
    level: "must",
    async run(bench) {
      const before = bench.place.snapshot();
      await bench.fail("ADD", undefined, { env: { CNI_NETNS: `${bench.place.netns}-absent` } });
      expect(isDeepStrictEqual(bench.place.snapshot(), before), "it left something behind");
    },
  },
  {
    title: "the runtime may delete and add again under the same ID",
    level: "must",
    async run(bench) {
      for (let round = 0; round < 2; round++) {
        await bench.succeed("ADD");
        await bench.succeed("DEL");
      }
    },
  },
  {
    title: "eight containers are added at once, and deleted at once",
    level: "must",
    async run(bench) {
      const benches = Array.from({ length: 8 }, () => bench.another());
      try {
        await Promise.all(benches.map((one) => one.succeed("ADD")));
        await Promise.all(benches.map((one) => one.succeed("DEL")));
      } finally {
        for (const one of benches) one[Symbol.dispose]();
      }
    },
  },
];
