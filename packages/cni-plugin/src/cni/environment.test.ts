import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseEnvironment } from "./environment.js";
import type { CniError } from "./errors.js";

const whole = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "abc",
  CNI_NETNS: "/run/netns/blue",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
};

function refusal(env: NodeJS.ProcessEnv): string {
  try {
    parseEnvironment(env);
  } catch (error) {
    assert.is((error as CniError).code, 4);
    return (error as CniError).message;
  }
  throw new Error("it was accepted");
}

test("a whole environment is read", () => {
  assert.equal(parseEnvironment(whole), {
    command: "ADD",
    containerId: "abc",
    netns: "/run/netns/blue",
    ifname: "eth0",
  });
});

test("all missing variables are in one error", () => {
  const all = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"];
  for (const CNI_COMMAND of ["ADD", "CHECK"]) {
    const message = refusal({ CNI_COMMAND, CNI_IFNAME: "" });
    for (const name of all) assert.ok(message.includes(name), name);
  }
  assert.not.ok(refusal({ CNI_COMMAND: "DEL" }).includes("CNI_NETNS"));
  assert.ok(refusal({ CNI_COMMAND: "GC" }).includes("CNI_PATH"));
  assert.ok(refusal({ CNI_COMMAND: "STATUS" }).includes("CNI_PATH"));
});

test("DEL needs no namespace, and VERSION nothing at all", () => {
  assert.is(parseEnvironment({ ...whole, CNI_COMMAND: "DEL", CNI_NETNS: "" }).command, "DEL");
  assert.is(parseEnvironment({ CNI_COMMAND: "VERSION" }).command, "VERSION");
  // podman asks for the version in this way.
  assert.is(
    parseEnvironment({ CNI_COMMAND: "VERSION", CNI_IFNAME: "dummy", CNI_NETNS: "dummy" }).command,
    "VERSION",
  );
});

test("an unknown command names the known ones", () => {
  assert.match(refusal({ ...whole, CNI_COMMAND: "add" }), /"add".*ADD, DEL, CHECK, GC, STATUS, VERSION/);
});

test("container ids and interface names that cannot be are refused", () => {
  for (const CNI_CONTAINERID of ["-a", "a/b", "a b", ".", "ä", "../x", "a\n"]) {
    assert.match(refusal({ ...whole, CNI_CONTAINERID }), /^CNI_CONTAINERID is/);
  }
  for (const CNI_IFNAME of [".", "..", "a/b", "a:b", "a b", "a\tb", "sixteen-letters-", "ääääääää"]) {
    assert.match(refusal({ ...whole, CNI_IFNAME }), /^CNI_IFNAME is/);
  }
});

test("the plugin's own namespace is no pod's, unless the runtime insists", () => {
  const host = { ...whole, CNI_NETNS: "/proc/self/ns/net" };
  assert.match(refusal(host), /^CNI_NETNS is .* not a pod's/);
  assert.is(parseEnvironment({ ...host, CNI_NETNS_OVERRIDE: "1" }).netns, "/proc/self/ns/net");
});

test.run();
