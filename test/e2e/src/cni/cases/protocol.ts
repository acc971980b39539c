import { type Command, expect, shorten } from "../bench.js";
import type { Case } from "../cases.js";
import { parsed } from "../invoke.js";

/** The commands that are about one interface of one container. */
const podCommands: readonly Command[] = ["ADD", "CHECK", "DEL"];

/** How calls and answers look: SPEC.md, "Section 2: Execution Protocol". */
export const protocolCases: readonly Case[] = [
  {
    title: "VERSION answers with the versions it speaks, and needs no other variable",
    level: "must",
    async run(bench) {
      const env = { CNI_PATH: undefined };
      const answer = await bench.succeed("VERSION", { env, input: '{"cniVersion":"1.0.0"}' });
      expect(Array.isArray(answer.supportedVersions), "no supportedVersions");
      expect(typeof answer.cniVersion === "string", "no cniVersion");
    },
  },
  {
    title: "VERSION answers in the version that it was asked in",
    level: "must",
    async run(bench) {
      // The versions before 1.0 leave it to the plugin.
      for (const cniVersion of bench.versions.filter((version) => version >= "1.0.0")) {
        const answer = await bench.succeed("VERSION", { input: JSON.stringify({ cniVersion }) });
        expect(
          answer.cniVersion === cniVersion,
          `asked in ${cniVersion}, it answers in ${answer.cniVersion}`,
        );
      }
    },
  },
  {
    title:
      "VERSION is answered without standard input, and with variables that name nothing (podman asks so)",
    level: "should",
    async run(bench) {
      const env = { CNI_IFNAME: "dummy", CNI_NETNS: "dummy" };
      await bench.succeed("VERSION", { env, input: "" });
    },
  },
  {
    title: "an unknown command is an error of code 4",
    level: "must",
    run: async (bench) => void (await bench.fail("ADD", 4, { env: { CNI_COMMAND: "REPLACE" } })),
  },
  {
    title: "a variable that is missing is an error of code 4 that names it",
    level: "must",
    async run(bench) {
      for (const command of podCommands) {
        for (const name of ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]) {
          if (command === "DEL" && name === "CNI_NETNS") continue;
          const { msg } = await bench.fail(command, 4, { env: { [name]: undefined } });
          expect(String(msg).includes(name), `${command} without ${name}: ${shorten(String(msg))}`);
        }
      }
    },
  },
  {
    title: "several missing variables are in one error",
    level: "should",
    async run(bench) {
      const names = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"];
      const env = Object.fromEntries(names.map((name) => [name, undefined]));
      const error = await bench.fail("ADD", 4, { env });
      const said = `${error.msg} ${error.details ?? ""}`;
      const unnamed = names.filter((name) => !said.includes(name));
      expect(unnamed.length === 0, `unnamed: ${unnamed.join(", ")}`);
    },
  },
  {
    title: "a container ID that cannot be one is an error of code 4",
    level: "must",
    async run(bench) {
      for (const id of ["-x", "a/b", "a b", "../x"]) {
        await bench.fail("ADD", 4, { env: { CNI_CONTAINERID: id } });
      }
    },
  },
  {
    title: "an interface name that the kernel would refuse is an error of code 4",
    level: "must",
    async run(bench) {
      for (const name of ["sixteen-letters-", ".", "..", "a/b", "a:b", "a b"]) {
        await bench.fail("ADD", 4, { env: { CNI_IFNAME: name } });
      }
    },
  },
  {
    title: "a configuration that is no JSON is an error of code 6",
    level: "must",
    async run(bench) {
      for (const input of ["{", "", '{"cniVersion":']) await bench.fail("ADD", 6, { input });
    },
  },
  {
    title: "a version that it does not speak is an error of code 1",
    level: "must",
    async run(bench) {
      for (const command of podCommands) {
        if (command === "DEL") continue;
        await bench.fail(command, 1, { cniVersion: "9.9.9" });
      }
    },
  },
  {
    title: "a configuration without cniVersion is of version 0.1.0",
    level: "should",
    async run(bench) {
      // Where it does speak 0.1.0, which knew no chains, there is nothing to be asked.
      if (bench.versions.includes("0.1.0")) return;
      await bench.fail("ADD", 1, { cniVersion: undefined });
    },
  },
  {
    title: "a network without a name, or with one that cannot be, is an error of code 7",
    level: "must",
    async run(bench) {
      for (const name of [undefined, "", "-x", "a/b"]) await bench.fail("ADD", 7, { fields: { name } });
    },
  },
  {
    title: "an error is printed in the version of the configuration",
    level: "must",
    async run(bench) {
      for (const cniVersion of bench.versions.filter((version) => version >= "0.3.0")) {
        const error = await bench.fail("ADD", undefined, { cniVersion, env: { CNI_IFNAME: "absent0" } });
        expect(error.cniVersion === cniVersion, `asked in ${cniVersion}, it answers in ${error.cniVersion}`);
      }
    },
  },
  {
    title: "keys that it does not know are no error, in the configuration, runtimeConfig and CNI_ARGS",
    level: "must",
    async run(bench) {
      const runtimeConfig = {
        ...(bench.subject.configuration.runtimeConfig ?? {}),
        "io.example/unknown": {},
      };
      await bench.succeed("ADD", { fields: { "io.example/unknown": [1, { a: null }], runtimeConfig } });
    },
  },
  {
    title: "standard output holds one JSON document and nothing else",
    level: "must",
    async run(bench) {
      for (const env of [{}, { CNI_IFNAME: "absent0" }]) {
        const { stdout } = await bench.call("ADD", { env });
        expect(parsed(stdout) !== undefined, shorten(stdout));
      }
    },
  },
];
