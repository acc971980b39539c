import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeMessage, decodeMessageBody, decodeMessages, encodeMessage } from "./decoded-message.js";
import { frame } from "./message.js";
import { rtnetlinkMessages } from "./rtnetlink/message-types.js";
import { RtmType } from "./rtnetlink/messages.js";
import { NetlinkDecodeError, NetlinkEncodeError } from "./schema/index.js";
import { captured } from "./testing/captured.js";

const types = {
  link: RtmType.RTM_NEWLINK,
  address: RtmType.RTM_NEWADDR,
  route: RtmType.RTM_NEWROUTE,
  qdisc: RtmType.RTM_NEWQDISC,
  class: RtmType.RTM_NEWTCLASS,
  filter: RtmType.RTM_NEWTFILTER,
} as const;

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("every captured message decodes generically and encodes to the same bytes", () => {
  for (const { type, hex } of captured) {
    const whole = frame(types[type], 2, 7, bytesOf(hex));
    const message = decodeMessage(whole);
    assert.match(message.name, /^RTM_NEW/);
    assert.equal(message.flagNames, ["NLM_F_MULTI"]);
    assert.is(message.sequence, 7);
    assert.ok(message.header && message.attributes);
    assert.is(hexOf(encodeMessage(message)), hexOf(whole));
  }
});

test("an error is decoded with the kernel's text, and encodes to the same bytes", () => {
  const text = "no such thing\0";
  const attribute = new Uint8Array(4 + 16);
  new DataView(attribute.buffer).setUint16(0, 4 + text.length, true);
  new DataView(attribute.buffer).setUint16(2, 1, true);
  attribute.set(Buffer.from(text), 4);
  for (const flags of [0x300, 0x200]) {
    const request = frame(16, 5, 9, new Uint8Array(16));
    const echoed = flags & 0x100 ? request.subarray(0, 16) : request;
    const body = Buffer.concat([Buffer.from("eaffffff", "hex"), echoed, attribute]);
    const whole = frame(2, flags, 9, new Uint8Array(body));
    const message = decodeMessage(whole);
    assert.is(message.name, "NLMSG_ERROR");
    assert.is(message.header?.error, -22);
    assert.is(message.attributes?.message, "no such thing");
    assert.ok(message.flagNames.includes("NLM_F_ACK_TLVS"));
    assert.is(hexOf(encodeMessage(message)), hexOf(whole));
  }
});

test("a type without a name, and a body that is cut short, keep their bytes or are refused", () => {
  const whole = frame(9999, 0, 1, Uint8Array.of(1, 2, 3));
  const message = decodeMessage(whole);
  assert.is(message.name, "#9999");
  assert.equal(message.bytes, Uint8Array.of(1, 2, 3));
  assert.is(hexOf(encodeMessage(message)), hexOf(whole));
  assert.throws(
    () => decodeMessage(frame(16, 0, 1, new Uint8Array(3))),
    (error: unknown) => error instanceof NetlinkDecodeError,
  );
  assert.throws(
    () => encodeMessage({ name: "RTM_NEWNONSENSE" }),
    (error: unknown) => error instanceof NetlinkEncodeError,
  );
});

test("several messages in a row are given one by one", () => {
  const whole = Buffer.concat([frame(16, 2, 1, new Uint8Array(16)), frame(3, 2, 1, new Uint8Array(4))]);
  const all = [...decodeMessages(new Uint8Array(whole))];
  assert.equal(
    all.map(({ name }) => name),
    ["RTM_NEWLINK", "NLMSG_DONE"],
  );
  assert.throws(() => decodeMessage(new Uint8Array(whole)), /after the message/);
});

test("a body alone is decoded by its type's name", () => {
  const { hex } = captured.find(({ type }) => type === "address")!;
  const body = bytesOf(hex);
  const schema = rtnetlinkMessages.schemaOf(RtmType.RTM_NEWADDR, body);
  const { header, attributes } = decodeMessageBody(body, schema);
  assert.ok(header?.prefixLength !== undefined && attributes);
});

/** A captured body with some bytes changed. */
const mutated = fc
  .tuple(fc.constantFrom(...captured), fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 4 }))
  .map(([{ hex }, changes]) => {
    const bytes = bytesOf(hex);
    for (const [place, value] of changes) bytes[place % bytes.length] = value;
    return bytes;
  });

test("any bytes decode to something that encodes to the same bytes, or are refused by our own error", () => {
  const property = fc.property(
    fc.constantFrom(2, 3, 999, ...Object.values(RtmType)),
    fc.nat(0xffff),
    fc.oneof(fc.uint8Array({ maxLength: 80 }), mutated),
    (type, flags, body) => {
      const whole = frame(type, flags, 1, body);
      let message: ReturnType<typeof decodeMessage>;
      try {
        message = decodeMessage(whole);
      } catch (error) {
        assert.instance(error, NetlinkDecodeError);
        return;
      }
      const again = encodeMessage(message);
      assert.is(again.length, whole.length);
      // The bytes between attributes are padding, which is written as zero.
      for (const [at, byte] of again.entries()) assert.ok(byte === whole[at] || byte === 0, `byte ${at}`);
    },
  );
  fc.assert(property, { numRuns: 3000 });
});

test.run();
