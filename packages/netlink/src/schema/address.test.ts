import { isIPv6 } from "node:net";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatIpv4, formatIpv6, linkLayerAddress, parseAddress, parsePrefix } from "./address.js";
import { decode, encode } from "./message-body.js";

test("an IPv6 address is written as RFC 5952 recommends", () => {
  for (const [text, canonical] of [
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["1::", "1::"],
    ["2001:DB8::A", "2001:db8::a"],
    ["::FFFF:192.0.2.1", "::ffff:192.0.2.1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ] as const)
    assert.is(formatIpv6(parseAddress(text).bytes), canonical);
});

test("an IPv4-mapped address stays IPv6", () => {
  assert.is(parseAddress("::ffff:192.0.2.1").family, "ipv6");
  assert.is(parseAddress("192.0.2.1").family, "ipv4");
});

test("any sixteen bytes are formatted as an address that reads back the same, and that node takes for IPv6", () => {
  const property = fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
    const text = formatIpv6(bytes);
    assert.ok(isIPv6(text));
    assert.equal(parseAddress(text).bytes, bytes);
  });
  fc.assert(property, { numRuns: 500, examples: [[new Uint8Array(16)]] });
});

test("any four bytes are formatted as an address that reads back the same", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      assert.equal(parseAddress(formatIpv4(bytes)).bytes, bytes);
    }),
  );
});

test("text that is no address is refused by our own error", () => {
  const wrong = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.4 ",
    ":",
    ":::",
    "1::2::3",
    "12345::",
  ];
  for (const text of [...wrong, "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8:9", "::1.2.3", "g::"])
    assert.throws(
      () => parseAddress(text),
      (error: { code?: string }) => error.code === "ERR_NETLINK_ENCODE",
      text,
    );
});

test("a prefix without a length is a single host", () => {
  assert.is(parsePrefix("192.0.2.1").prefixLength, 32);
  assert.is(parsePrefix("2001:db8::1").prefixLength, 128);
  assert.is(parsePrefix("0.0.0.0/0").prefixLength, 0);
});

test("a prefix longer than its address is refused", () => {
  for (const text of ["192.0.2.1/33", "2001:db8::/129", "192.0.2.1/", "192.0.2.1/8/8", "192.0.2.1/-1"])
    assert.throws(() => parsePrefix(text), /prefix length/, text);
});

test("a link-layer address of any length reads back the same", () => {
  for (const text of ["02:00:00:00:00:01", "7f:00:00:01", ""])
    assert.is(decode(linkLayerAddress, encode(linkLayerAddress, text)), text);
  for (const text of ["02:0", "0200.0000.0001", "02:00:00:00:00:0g", "02:"])
    assert.throws(() => encode(linkLayerAddress, text), /not a link-layer address/, text);
});

test.run();
