import { test } from "uvu";
import * as assert from "uvu/assert";
import { podOf } from "./pod.js";
import { wantedOf } from "./wanted.js";

const pod = (annotations: object) =>
  podOf({ metadata: { namespace: "n", name: "p", uid: "u", annotations } })!;
const egress = "kubernetes.io/egress-bandwidth";
const ingress = "kubernetes.io/ingress-bandwidth";
const none = { defaults: {}, maximum: {} };
const of = (annotations: object, settings: Parameters<typeof wantedOf>[1] = none, ifname = "eth0") =>
  wantedOf(pod(annotations), settings).of(ifname);

test("an annotation is the limit", () => {
  assert.equal(of({ [egress]: "100M", [ingress]: "1Gi" }), {
    egress: { bitsPerSecond: 100_000_000n },
    ingress: { bitsPerSecond: 1n << 30n },
  });
});

test("without an annotation the default counts, and without a default the maximum", () => {
  const settings = { defaults: { egress: 5_000_000n }, maximum: { egress: 9_000_000n, ingress: 7_000_000n } };
  assert.equal(of({}, settings), {
    egress: { bitsPerSecond: 5_000_000n },
    ingress: { bitsPerSecond: 7_000_000n },
  });
  assert.equal(of({}), { egress: { bitsPerSecond: undefined }, ingress: { bitsPerSecond: undefined } });
});

test("nobody gets more than the maximum, by default either", () => {
  const settings = {
    defaults: { ingress: 50_000_000n },
    maximum: { egress: 10_000_000n, ingress: 20_000_000n },
  };
  assert.equal(of({ [egress]: "1G" }, settings), {
    egress: { bitsPerSecond: 10_000_000n },
    ingress: { bitsPerSecond: 20_000_000n },
  });
});

test("a wrong annotation keeps what is in force, and says why", () => {
  for (const value of ["100Mbps", "", "0", "-1M", "999", "1P", "100K", "100 M", "NaN", "1e400"]) {
    const wanted = wantedOf(pod({ [egress]: value, [ingress]: "1M" }), {
      defaults: { egress: 3_000_000n },
      maximum: {},
    });
    assert.is(wanted.wrong.length, 1, value);
    assert.is(wanted.wrong[0]?.annotation, egress);
    assert.equal(wanted.of("eth0").egress, { keep: true, otherwise: 3_000_000n });
    assert.equal(wanted.of("eth0").ingress, { bitsPerSecond: 1_000_000n });
  }
});

test("what is said of a wrong annotation is one line, whatever its value holds", () => {
  const [wrong] = wantedOf(pod({ [egress]: "1\nM" }), none).wrong;
  assert.match(wrong!.message, /^"1\\nM" is no quantity of bits per second\. Write it .*\)\.$/);
});

test("a Multus network's own bandwidth outranks the pod's, for its interface alone", () => {
  const networks = JSON.stringify([
    { name: "a", bandwidth: { egressRate: 2_000_000 } },
    { name: "b" },
    { name: "c", interface: "data", bandwidth: { egressRate: 8_000_000, ingressRate: 9_000_000 } },
  ]);
  const annotations = { [egress]: "1M", [ingress]: "1M", "k8s.v1.cni.cncf.io/networks": networks };
  const settings = { defaults: {}, maximum: { egress: 5_000_000n } };
  assert.equal(of(annotations, settings, "net1"), {
    egress: { bitsPerSecond: 2_000_000n },
    ingress: { bitsPerSecond: undefined },
  });
  for (const name of ["eth0", "net2"]) {
    assert.equal(of(annotations, settings, name).egress, { bitsPerSecond: 1_000_000n }, name);
  }
  assert.equal(of(annotations, settings, "data"), {
    egress: { bitsPerSecond: 5_000_000n },
    ingress: { bitsPerSecond: 9_000_000n },
  });
});

test("a networks annotation that cannot be read is Multus' to complain about", () => {
  for (const text of [
    "a,b@net2",
    "[",
    "[1,null,{}]",
    '[{"bandwidth":5}]',
    '[{"bandwidth":{"egressRate":"1M"}}]',
  ]) {
    assert.equal(of({ [egress]: "1M", "k8s.v1.cni.cncf.io/networks": text }).egress, {
      bitsPerSecond: 1_000_000n,
    });
  }
});

test.run();
