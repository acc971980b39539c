import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseConfiguration } from "./configuration.js";
import { CniError } from "./errors.js";
import { requestedSettings } from "./settings.js";

const settings = (more: string) =>
  requestedSettings(parseConfiguration(`{"cniVersion":"1.0.0","name":"n"${more && `,${more}`}}`, "ADD"));

function refusal(more: string): string {
  try {
    settings(more);
  } catch (error) {
    assert.instance(error, CniError);
    assert.is((error as CniError).code, 7);
    return (error as CniError).message;
  }
  throw new Error(`${more} was accepted`);
}

test("an entry that says nothing beside rates has no settings", () => {
  for (const more of ["", '"egressRate":1000', '"shapedSubnets":[],"guard":null,"horizonMs":null']) {
    assert.equal(settings(more), {});
  }
});

test("every setting is read, in any case of its name", () => {
  assert.equal(
    settings(
      '"UnshapedSubnets":["10.0.0.0/8","fd00::/8"],"horizonms":20.5,"markMs":5,"Aggregate":true,"guard":{"Unknown":"drop","known":["192.0.2.7/32"]}',
    ),
    {
      unshapedSubnets: ["10.0.0.0/8", "fd00::/8"],
      horizonMs: 20.5,
      markMs: 5,
      aggregate: true,
      guard: { unknown: "drop", known: ["192.0.2.7/32"] },
    },
  );
  assert.equal(settings('"shapedSubnets":["0.0.0.0/0"],"aggregate":false,"guard":false'), {
    shapedSubnets: ["0.0.0.0/0"],
    aggregate: false,
    guard: false,
  });
  assert.equal(settings('"guard":{"unknown":1000000}'), { guard: { unknown: 1_000_000n } });
});

test("a share of an uplink is read, and takes an uplink", () => {
  assert.equal(settings('"uplink":"ens192","egressGuarantee":20000000,"egressWeight":7,"IngressWeight":1'), {
    uplink: "ens192",
    egressGuarantee: 20_000_000n,
    egressWeight: 7,
    ingressWeight: 1,
  });
  assert.is(refusal('"uplink":5'), "uplink is 5, but must be the name of an uplink");
  assert.match(
    refusal('"uplink":"a","egressGuarantee":1.5'),
    /^egressGuarantee is 1.5, but must be a whole number/,
  );
  assert.match(
    refusal('"uplink":"a","ingressWeight":0'),
    /^ingressWeight is 0, but must be .* from 1 to 10000$/,
  );
  assert.match(refusal('"egressWeight":5'), /^egressWeight is set, but no uplink/);
  assert.match(refusal('"ingressGuarantee":5'), /^ingressGuarantee is set, but no uplink/);
});

test("subnets of the entry outrank those that the runtime gives", () => {
  const runtime = '"runtimeConfig":{"bandwidth":{"ShapedSubnets":["10.0.0.0/8"]}}';
  assert.equal(settings(runtime), { shapedSubnets: ["10.0.0.0/8"] });
  assert.equal(settings(`"shapedSubnets":["11.0.0.0/8"],${runtime}`), { shapedSubnets: ["11.0.0.0/8"] });
  assert.equal(settings(`"shapedSubnets":[],${runtime}`), {});
});

test("a bad setting is error 7 and names the field, the value and what is allowed", () => {
  assert.is(
    refusal('"shapedSubnets":["10.0.0.0/8","10.0.0.1"]'),
    'shapedSubnets[1] is "10.0.0.1", but must be a prefix such as "10.0.0.0/8" or "fd00::/8"',
  );
  assert.match(
    refusal('"runtimeConfig":{"bandwidth":{"shapedSubnets":[7]}}'),
    /^runtimeConfig\.bandwidth\.sha/,
  );
  for (const subnet of [
    "",
    "/8",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/8/8",
    "fe80::1%eth0/64",
    "10.0.0.0/-1",
    "x/8",
  ]) {
    assert.match(refusal(`"unshapedSubnets":["${subnet}"]`), /^unshapedSubnets\[0\] is /);
  }
  for (const value of ["-1", "60001", '"20"', "true", "1e99", "[]"]) {
    assert.match(refusal(`"horizonMs":${value}`), /^horizonMs is .*milliseconds from 1 to 60000$/);
    assert.match(refusal(`"markMs":${value}`), /^markMs is .*milliseconds from 0 to 60000$/);
  }
  assert.match(refusal('"horizonMs":0'), /^horizonMs is 0/);
  assert.is(settings('"markMs":0').markMs, 0);
  assert.match(refusal('"horizonMs":0'), /from 1 to 60000$/);
  assert.equal(settings('"markMs":0'), { markMs: 0 });
  assert.is(refusal('"aggregate":1'), "aggregate is 1, but must be true or false");
  assert.match(refusal('"guard":"drop"'), /^guard is "drop", but must be true, false, or an object/);
  assert.match(
    refusal('"guard":{"unknown":"maybe"}'),
    /^guard\.unknown is "maybe", but must be "pass", "drop"/,
  );
  assert.match(refusal('"guard":{"unknown":1.5}'), /^guard\.unknown is 1\.5/);
  assert.match(
    refusal('"guard":{"known":"10.0.0.0/8"}'),
    /^guard\.known is "10\.0\.0\.0\/8", but must be a list/,
  );
});

test("whatever an entry says is settings or a CNI error", () => {
  const names = ["shapedSubnets", "unshapedSubnets", "horizonMs", "markMs", "aggregate", "guard"];
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (entry) => {
      try {
        settings(JSON.stringify(entry).slice(1, -1));
      } catch (error) {
        assert.instance(error, CniError);
      }
    }),
  );
});

test.run();
