import { MAX_BITS_PER_SECOND, MIN_BITS_PER_SECOND } from "@weir/shaper";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { requestedLimits } from "./bandwidth.js";
import { parseConfiguration } from "./configuration.js";
import { CniError } from "./errors.js";

const range = { min: MIN_BITS_PER_SECOND, max: MAX_BITS_PER_SECOND };
const limits = (more: string) =>
  requestedLimits(
    parseConfiguration(`{"cniVersion":"1.0.0","name":"n"${more === "" ? "" : `,${more}`}}`, "ADD"),
    range,
  );
const runtime = (bandwidth: string) => limits(`"runtimeConfig":{"bandwidth":${bandwidth}}`);

function refusal(work: () => unknown): CniError {
  try {
    work();
  } catch (error) {
    assert.instance(error, CniError);
    return error as CniError;
  }
  throw new Error("it was accepted");
}

test("what containerd writes is understood, capital letters, placeholder bursts and all", () => {
  assert.equal(
    runtime(
      '{"IngressRate":100000000,"IngressBurst":4294967295,"EgressRate":50000000,"EgressBurst":4294967295}',
    ),
    { egress: { bitsPerSecond: 50_000_000n }, ingress: { bitsPerSecond: 100_000_000n } },
  );
});

test("a direction that containerd leaves out as zeros is not limited", () => {
  assert.equal(runtime('{"IngressRate":0,"IngressBurst":0,"EgressRate":50000000,"EgressBurst":4294967295}'), {
    egress: { bitsPerSecond: 50_000_000n },
  });
});

test("what CRI-O writes is understood", () => {
  assert.equal(runtime('{"ingressRate":1000000,"ingressBurst":34359738359}'), {
    ingress: { bitsPerSecond: 1_000_000n },
  });
});

test("no bandwidth at all is no limit", () => {
  for (const more of [
    "",
    '"runtimeConfig":{}',
    '"runtimeConfig":null',
    '"runtimeConfig":{"bandwidth":null}',
    '"runtimeConfig":{"bandwidth":{}}',
    '"runtimeConfig":{"io.kubernetes.cri.pod-annotations":null}',
    '"ingressRate":null',
  ]) {
    assert.is(limits(more), undefined);
  }
});

test("a real burst is kept", () => {
  assert.equal(runtime('{"egressRate":1e8,"egressBurst":4294967294}'), {
    egress: { bitsPerSecond: 100_000_000n, burstBits: 4_294_967_294n },
  });
});

test("fields of the entry outrank the runtime's, all together", () => {
  assert.equal(
    limits('"egressRate":2000,"runtimeConfig":{"bandwidth":{"egressRate":1000,"ingressRate":1000}}'),
    {
      egress: { bitsPerSecond: 2000n },
    },
  );
});

test("the ends of the range are inside of it", () => {
  assert.equal(limits('"egressRate":1000,"ingressRate":999999999999999'), {
    egress: { bitsPerSecond: 1000n },
    ingress: { bitsPerSecond: 999_999_999_999_999n },
  });
});

test("a bad rate is error 7 and names the field, the value and what is allowed", () => {
  const bad = [
    "0",
    "-1",
    "-0",
    "1",
    "999",
    "1e15",
    "1000000000000000",
    "18446744073709551615",
    "1e400",
    "1.5",
    "100000.5",
    "1e-9",
    '"100M"',
    "true",
    "[]",
    "{}",
  ];
  for (const value of bad) {
    for (const [prefix, parse] of [
      ["", (text: string) => limits(`"egressRate":${text}`)],
      ["runtimeConfig.bandwidth.", (text: string) => runtime(`{"egressRate":${text}}`)],
    ] as const) {
      const { code, message } = refusal(() => parse(value));
      assert.is(code, 7);
      assert.is(message.startsWith(`${prefix}egressRate is `), true, message);
      assert.ok(message.includes("whole number of bits per second from 1000 to 999999999999999"), message);
    }
  }
  assert.ok(
    refusal(() => runtime('{"egressRate":18446744073709551615}')).message.includes("18446744073709551615"),
  );
});

test("zeros alone are a limit of nothing, which is refused", () => {
  const { message } = refusal(() =>
    runtime('{"IngressRate":0,"IngressBurst":0,"EgressRate":0,"EgressBurst":0}'),
  );
  assert.match(message, /^runtimeConfig.bandwidth.egressRate is 0/);
  assert.match(refusal(() => runtime('{"ingressRate":0}')).message, /ingressRate is 0/);
});

test("a burst without a rate is refused", () => {
  for (const text of ['{"egressBurst":8000}', '{"egressRate":0,"egressBurst":8000,"ingressRate":1000}']) {
    const { code, message } = refusal(() => runtime(text));
    assert.is(code, 7);
    assert.match(message, /egressBurst is 8000/);
  }
  // A placeholder says nothing, so it asks for nothing either.
  assert.is(runtime('{"egressBurst":4294967295}'), undefined);
});

test("a bad burst is refused", () => {
  for (const burst of ["-1", "1.5", '"1M"', "18446744073709551616", "1e400"]) {
    const { code, message } = refusal(() => runtime(`{"egressRate":1000000,"egressBurst":${burst}}`));
    assert.is(code, 7);
    assert.match(message, /egressBurst is/);
  }
});

test("bandwidth that is no object is refused", () => {
  assert.is(refusal(() => runtime("[]")).code, 7);
  assert.is(refusal(() => runtime('"100M"')).code, 7);
  assert.is(refusal(() => limits('"runtimeConfig":5')).code, 7);
});

test("whatever the runtime sends is a limit in range, no limit, or a CNI error", () => {
  const number = fc.oneof(
    fc.integer().map(String),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
    fc.constantFrom("0", "1e308", "1e-400", "4294967295", "null", '"1"'),
    fc.json(),
  );
  const name = fc
    .constantFrom("ingressRate", "ingressBurst", "egressRate", "egressBurst")
    .chain((key) => fc.constantFrom(key, key.toUpperCase(), key[0]!.toUpperCase() + key.slice(1)));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, number), { maxLength: 6 }), fc.boolean(), (pairs, inline) => {
      const fields = pairs.map(([key, value]) => `"${key}":${value}`).join(",");
      try {
        const found = inline ? limits(fields) : runtime(`{${fields}}`);
        for (const limit of Object.values(found ?? {})) {
          assert.ok(limit.bitsPerSecond >= 1000n && limit.bitsPerSecond < 10n ** 15n);
          assert.ok(
            limit.burstBits === undefined || (limit.burstBits > 0n && limit.burstBits < 0xffff_ffffn),
          );
        }
      } catch (error) {
        assert.instance(error, CniError);
      }
    }),
    { numRuns: 1000 },
  );
});

test("a whole number means the same however it is written", () => {
  const written = ["100000000", "1e8", "1.0e8", "100000000.000", "0.1e9", "1000000000e-1", "1E+8"];
  for (const text of written) {
    assert.equal(limits(`"egressRate":${text}`), { egress: { bitsPerSecond: 100_000_000n } }, text);
  }
});

test.run();
