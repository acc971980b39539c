import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { messageAt } from "./message.js";
import { NetlinkError, readAcknowledgement, readDone } from "./netlink-error.js";
import { addressMessage, addressOf } from "./rtnetlink/address.js";
import { eventOf } from "./rtnetlink/events.js";
import { linkReply } from "./rtnetlink/link-reply.js";
import { linkMessage } from "./rtnetlink/link-schema.js";
import { RtmType } from "./rtnetlink/messages.js";
import { routeReply } from "./rtnetlink/route-reply.js";
import { Input, NetlinkDecodeError } from "./schema/index.js";
import { classOf } from "./tc/classes.js";
import { filterReply } from "./tc/filter.js";
import { qdiscReply } from "./tc/qdisc.js";
import { qdiscMessage } from "./tc/tc-schema.js";
import { captured } from "./testing/captured.js";
import { capturedTc } from "./testing/captured-tc.js";

const readers = {
  link: (input: Input, end: number) => ({ ...linkReply.decode(input, 0, end, undefined) }),
  address: (input: Input, end: number) => addressOf(addressMessage.decode(input, 0, end)!),
  route: (input: Input, end: number) => routeReply.decode(input, 0, end, undefined),
  qdisc: (input: Input, end: number) => qdiscReply.decode(input, 0, end),
  class: (input: Input, end: number) => classOf(qdiscMessage.decode(input, 0, end)!),
  filter: (input: Input, end: number) => filterReply.decode(input, 0, end),
  chain: (input: Input, end: number) => filterReply.decode(input, 0, end),
} as const;

/** A captured message with some bytes changed, and its end cut off. */
const mutated = fc
  .tuple(
    fc.constantFrom(...captured, ...capturedTc),
    fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), { maxLength: 8 }),
    fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
  )
  .map(([{ type, hex }, changes, part]) => {
    const bytes = new Uint8Array(Buffer.from(hex, "hex"));
    for (const [place, value] of changes) bytes[Math.floor(place * bytes.length)] = value;
    return { type, bytes: bytes.slice(0, Math.floor(part * bytes.length)) };
  });

/** Runs work, which may fail with our own error only. */
function orOurError(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof NetlinkDecodeError)) throw error;
    assert.type(error.offset, "number");
  }
}

test("a mutated or shortened message decodes to something or is refused by our own error", () => {
  const property = fc.property(mutated, ({ type, bytes }) =>
    orOurError(() => readers[type](new Input(bytes), bytes.length)),
  );
  fc.assert(property, { numRuns: 5000 });
});

test("a monitor makes an event of whatever comes", () => {
  const property = fc.property(
    fc.constantFrom(...Object.values(RtmType), 9999),
    mutated,
    (type, { bytes }) => {
      const view = { type, flags: 0, sequence: 0, port: 0, start: 0, end: bytes.length, next: bytes.length };
      assert.type(eventOf(new Input(bytes), view).type, "string");
    },
  );
  fc.assert(property, { numRuns: 3000 });
});

test("whatever stands in an acknowledgement, an error can be made of it", () => {
  const { hex } = captured[0]!;
  const request = {
    operation: "RTM_NEWLINK",
    action: "test",
    type: 16,
    body: new Uint8Array(Buffer.from(hex, "hex")),
    schema: linkMessage,
  };
  const property = fc.property(
    fc.uint8Array({ minLength: 16, maxLength: 120 }),
    fc.record({ offset: fc.nat(2000), missingType: fc.nat(100), missingNest: fc.nat(2000) }),
    (bytes, extended) => {
      const input = new Input(bytes);
      orOurError(() => {
        const message = messageAt(input, 0, bytes.length);
        for (const read of [readAcknowledgement, readDone])
          new NetlinkError({ request, ...read(input, message), errno: 22 });
      });
      const error = new NetlinkError({ request, errno: 22, extended });
      assert.type(error.missing, "string");
    },
  );
  fc.assert(property, { numRuns: 2000 });
});

test("a message header that claims too much is refused", () => {
  for (const length of [0, 15, 33, 0xffff_ffff]) {
    const bytes = new Uint8Array(32);
    new DataView(bytes.buffer).setUint32(0, length, true);
    assert.throws(() => messageAt(new Input(bytes), 0, 32), /claims/);
  }
  assert.throws(
    () => messageAt(new Input(new Uint8Array(15)), 0, 15),
    /15 bytes where a message header belongs/,
  );
});

test.run();
