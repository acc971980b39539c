import { test } from "uvu";
import * as assert from "uvu/assert";
import { choose, podName } from "./attachments.js";

const pod = (namespace: string, name: string) => ({ namespace, name });
const all = [
  { id: "0123456789abcdef/eth0", device: "eth0", pod: pod("shop", "web-1") },
  { id: "0123456789abcdef/net1", device: "net1", pod: pod("shop", "web-1") },
  { id: "0123999999999999/eth0", device: "eth0", pod: pod("test", "web-1") },
  { id: "fedcba9876543210/eth0", device: "eth0", pod: pod("shop", "db-0") },
  { id: "blue/eth0", device: "eth0" },
];
const ids = (name: string) => choose(all, name).map(({ id }) => id);

test("an attachment is found by its id, its pod, and the beginning of its id", () => {
  assert.equal(ids("blue/eth0"), ["blue/eth0"]);
  assert.equal(ids("shop/web-1"), ["0123456789abcdef/eth0", "0123456789abcdef/net1"]);
  assert.equal(ids("shop/web-1/net1"), ["0123456789abcdef/net1"]);
  assert.equal(ids("db-0"), ["fedcba9876543210/eth0"]);
  assert.equal(ids("fedc"), ["fedcba9876543210/eth0"]);
  assert.equal(ids("0123456789ab"), ["0123456789abcdef/eth0", "0123456789abcdef/net1"]);
});

test("a name that means several pods, or none, is refused", () => {
  assert.throws(() => ids("web-1"), /means several pods/);
  assert.throws(() => ids("0123"), /means several pods/);
  assert.throws(() => ids("web"), /nothing is shaped under the id or pod name "web"/);
  assert.throws(() => ids("fed"), /nothing is shaped/);
});

test("a pod that Kubernetes does not know is called by its id", () => {
  assert.equal(all.map(podName).slice(2), ["test/web-1", "shop/db-0", "blue/eth0"]);
});

test.run();
