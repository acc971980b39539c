import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cniError, Executables, type Outcome } from "./testing/executables.js";

const executables = new Executables();
test.before(() => executables.build());
test.after(() => executables.remove());

const environment = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "abc",
  CNI_NETNS: "/run/netns/no-such-namespace",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
};
const prevResult = {
  cniVersion: "1.0.0",
  interfaces: [{ name: "eth0", sandbox: "/run/netns/blue" }],
  ips: [{ interface: 0, address: "10.1.0.5/16" }],
  vendor: { unknown: [1, "two"] },
};
const configuration = { cniVersion: "1.0.0", name: "net", type: "weir", prevResult };

/** Calls both forms of the executable and hands each outcome to the check. */
function call(
  { env = {}, input }: { env?: NodeJS.ProcessEnv; input: unknown },
  check: (outcome: Outcome) => void,
): void {
  for (const command of executables.all.values()) {
    const text = typeof input === "string" ? input : JSON.stringify(input);
    check(executables.run(command, { env: { ...environment, ...env }, input: text }));
  }
}

test("VERSION answers with the versions, in the caller's version, with or without input", () => {
  for (const [input, cniVersion] of [
    ["", "1.1.0"],
    ["{", "1.1.0"],
    ['{"cniVersion":"0.4.0"}', "0.4.0"],
  ] as const) {
    call({ env: { CNI_COMMAND: "VERSION", CNI_PATH: "" }, input }, ({ status, stdout, stderr }) => {
      assert.is(status, 0);
      assert.is(stderr, "");
      assert.equal(JSON.parse(stdout), {
        cniVersion,
        supportedVersions: ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
      });
    });
  }
});

test("VERSION, and ADD of a pod without a limit, load nothing that they do not need", () => {
  for (const CNI_COMMAND of ["VERSION", "ADD"]) {
    const folder = mkdtempSync(join(executables.folder, "coverage-"));
    const { status } = executables.run(executables.module, {
      env: { ...environment, CNI_COMMAND, NODE_V8_COVERAGE: folder },
      input: JSON.stringify(configuration),
    });
    assert.is(status, 0);
    const urls = readdirSync(folder).flatMap((name) => {
      const { result } = JSON.parse(readFileSync(join(folder, name), "utf8")) as {
        result: { url: string }[];
      };
      return result.map(({ url }) => url);
    });
    assert.ok(urls.some((url) => url.endsWith("/cni/run.js")));
    assert.equal(
      urls.filter((url) => /koffi|commander|shaper|netlink|bpf-loader|syscall|\/cli\//.test(url)),
      [],
    );
  }
});

test("the bundle works without its code cache, and with one that V8 refuses", () => {
  const folder = join(executables.folder, "bundle");
  const cache = join(folder, readdirSync(folder).find((name) => name.endsWith(".cache"))!);
  const content = readFileSync(cache);
  const check = () => {
    const { status, stdout } = executables.run([executables.launcher], {
      env: { ...environment, CNI_COMMAND: "CHECK" },
      input: JSON.stringify({ ...configuration, egressRate: 1_000_000 }),
    });
    assert.equal([status, JSON.parse(stdout).code], [1, 3]);
  };
  for (const damaged of [content.subarray(0, 1000), Buffer.alloc(content.length), Buffer.alloc(0)]) {
    writeFileSync(cache, damaged);
    check();
  }
  rmSync(cache);
  check();
  writeFileSync(cache, content);
  check();
});

test("all missing variables are in one error of code 4", () => {
  call(
    { env: { CNI_CONTAINERID: "", CNI_NETNS: "", CNI_IFNAME: "", CNI_PATH: "" }, input: configuration },
    (outcome) => {
      const { code, msg } = cniError(outcome);
      assert.is(code, 4);
      for (const name of ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"])
        assert.ok(msg.includes(name));
    },
  );
});

test("an unknown command is error 4", () => {
  call({ env: { CNI_COMMAND: "REMOVE" }, input: configuration }, (outcome) =>
    assert.is(cniError(outcome).code, 4),
  );
});

test("JSON that is cut short, empty or too long is an error of code 6 or 5", () => {
  const text = JSON.stringify(configuration);
  for (const input of [text.slice(0, -1), text.slice(0, text.length / 2), "", "null"]) {
    call({ input }, (outcome) => assert.is(cniError(outcome).code, 6));
  }
  call({ input: " ".repeat(5 * 1024 * 1024) }, (outcome) => {
    const { code, msg } = cniError(outcome);
    assert.is(code, 5);
    assert.match(msg, /4 MiB/);
  });
});

test("a configuration without prevResult is error 7", () => {
  for (const CNI_COMMAND of ["ADD", "CHECK"]) {
    call({ env: { CNI_COMMAND }, input: { ...configuration, prevResult: undefined } }, (outcome) => {
      const { code, msg, cniVersion } = cniError(outcome);
      assert.is(code, 7);
      assert.match(msg, new RegExp(`^${CNI_COMMAND} came without prevResult`));
      assert.is(cniVersion, "1.0.0");
    });
  }
});

test("versions that weir does not speak, and commands that a version does not have, are error 1", () => {
  for (const [CNI_COMMAND, cniVersion] of [
    ["ADD", "0.2.0"],
    ["ADD", undefined],
    ["CHECK", "0.3.1"],
    ["GC", "1.0.0"],
    ["STATUS", "1.0.0"],
  ] as const) {
    call({ env: { CNI_COMMAND }, input: { ...configuration, cniVersion } }, (outcome) =>
      assert.is(cniError(outcome).code, 1),
    );
  }
});

test("every bad limit is an error of code 7 that names its field", () => {
  for (const bandwidth of [
    { egressRate: 0 },
    { EgressRate: -5 },
    { egressRate: 1 },
    { egressRate: 1e15 },
    { egressRate: 1.5 },
    { egressRate: "100M" },
    { egressRate: 0, egressBurst: 8000 },
    { ingressRate: 0, egressRate: 0 },
  ]) {
    call({ input: { ...configuration, runtimeConfig: { bandwidth } } }, (outcome) => {
      const { code, msg } = cniError(outcome);
      assert.is(code, 7);
      assert.match(msg, /runtimeConfig\.bandwidth\.egress(Rate|Burst)/);
    });
  }
});

test("ADD without a limit hands the result on whole, in the configuration's version", () => {
  call({ input: configuration }, ({ status, stdout, stderr }) => {
    assert.is(status, 0, stderr);
    assert.equal(JSON.parse(stdout), prevResult);
    assert.is(stderr, "");
  });
  call({ input: { ...configuration, cniVersion: "0.4.0" } }, ({ stdout }) => {
    assert.equal(JSON.parse(stdout), {
      ...prevResult,
      cniVersion: "0.4.0",
      ips: [{ version: "4", interface: 0, address: "10.1.0.5/16" }],
    });
  });
});

test("ADD that cannot print its result fails", () => {
  for (const command of executables.all.values()) {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = executables.run(command, {
      env: environment,
      input: JSON.stringify(configuration),
      stdout: full,
    });
    closeSync(full);
    assert.is(status, 1);
    assert.match(stderr, /could not write the result to standard output \(ENOSPC/);
  }
});

test("DEL of what is not there succeeds, whatever its configuration looks like", () => {
  for (const input of [
    "",
    "{",
    JSON.stringify({ cniVersion: "9.9.9", egressRate: -1 }),
    JSON.stringify(configuration),
  ]) {
    call({ env: { CNI_COMMAND: "DEL", CNI_NETNS: "" }, input }, ({ status, stdout, stderr }) => {
      assert.is(status, 0, stdout);
      assert.is(stdout, "");
      assert.is(stderr, "");
    });
  }
});

test("CHECK of an attachment that nobody made is error 3 where the configuration names a limit", () => {
  const limited = { ...configuration, egressRate: 1_000_000 };
  call({ env: { CNI_COMMAND: "CHECK" }, input: limited }, (outcome) => assert.is(cniError(outcome).code, 3));
  call({ env: { CNI_COMMAND: "CHECK" }, input: configuration }, ({ status, stdout }) => {
    assert.is(status, 0);
    assert.is(stdout, "");
  });
});

test("GC without a list of valid attachments is error 7", () => {
  call({ env: { CNI_COMMAND: "GC" }, input: { ...configuration, cniVersion: "1.1.0" } }, (outcome) =>
    assert.is(cniError(outcome).code, 7),
  );
});

test("the launcher works through relative and absolute links, and with options meant for others", () => {
  const { folder, launcher } = executables;
  symlinkSync(launcher, join(folder, "absolute"));
  symlinkSync("bundle/weir", join(folder, "relative"));
  symlinkSync("relative", join(folder, "twice"));
  for (const name of ["absolute", "relative", "twice"]) {
    const { status, stdout } = executables.run([join(folder, name)], {
      args: ["--version"],
      env: { NODE_OPTIONS: "--no-such-option", NODE_EXTRA_CA_CERTS: "/nowhere" },
    });
    assert.is(status, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  }
});

test("the launcher reports that there is no Node.js as a CNI error", () => {
  const outcome = executables.run([executables.launcher], {
    env: { ...environment, WEIR_NODE: "/nowhere/node" },
    input: "{}",
  });
  assert.is(cniError(outcome).code, 120);
  const { stdout, stderr, status } = executables.run([executables.launcher], {
    env: { WEIR_NODE: "/nowhere/node" },
  });
  assert.is(status, 1);
  assert.is(stdout, "");
  assert.match(stderr, /^weir: WEIR_NODE does not name an executable file/);
});

test.run();
