import { test } from "uvu";
import * as assert from "uvu/assert";
import { defaultId, existingNamespace, namespacePath } from "./namespace.js";

test("a bare name is a namespace of `ip netns`, and a path is a path", () => {
  assert.is(namespacePath("blue"), "/run/netns/blue");
  assert.is(namespacePath("/var/run/netns/blue"), "/run/netns/blue");
  assert.is(namespacePath("/proc/1/ns/net"), "/proc/1/ns/net");
  assert.is(namespacePath("/proc/1/ns/../ns/net"), "/proc/1/ns/net");
});

test("ids of different namespaces differ", () => {
  assert.is(defaultId("/run/netns/blue", "eth0"), "blue/eth0");
  assert.is(defaultId("/proc/17/ns/net", "eth0"), "proc/17/ns/net/eth0");
});

test("a namespace that does not exist is named by its path", () => {
  assert.throws(
    () => existingNamespace("no-such-namespace"),
    /no network namespace at \/run\/netns\/no-such-namespace$/,
  );
});

test.run();
