import { deepStrictEqual } from "node:assert";
import { inspect } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decode, Input, NetlinkDecodeError } from "../schema/index.js";
import { captured } from "../testing/captured.js";
import { capturedObjects } from "../testing/captured-objects.js";
import type { Link } from "./link.js";
import { linkReply } from "./link-reply.js";
import { linkMessage } from "./link-schema.js";

const messages = [
  ...captured.filter(({ type }) => type === "link"),
  ...capturedObjects.filter(({ type }) => type === "RTM_NEWLINK"),
].map(({ hex }) => new Uint8Array(Buffer.from(hex, "hex")));

const first = () => decode(linkReply, messages[0] as Uint8Array);
const asJson = (link: Link) =>
  JSON.stringify(link, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));

test("what is read of a link one by one, and all at once, is what its attributes say", () => {
  for (const bytes of messages) {
    const link = decode(linkReply, bytes);
    const { header, attributes } = decode(linkMessage, bytes);
    assert.is(link.index, header.index);
    assert.is(link.type, header.type);
    assert.equal(link.flags, header.flags);
    for (const one of [link, { ...link }]) {
      const { name, mtu, linkinfo, address, qdisc, carrier, numTxQueues, stats64, xdp, afSpec } = attributes;
      const { properties, master, alias } = attributes;
      assert.equal(
        [one.name, one.mtu, one.kind, one.data, one.portKind, one.portData, one.address, one.qdisc],
        [name, mtu, linkinfo?.kind, linkinfo?.data, linkinfo?.portKind, linkinfo?.portData, address, qdisc],
      );
      assert.equal(
        [one.carrier, one.numTxQueues, one.stats, one.xdp, one.addrGenMode],
        [carrier, numTxQueues, stats64, xdp, afSpec?.inet6?.addrGenMode],
      );
      assert.equal([one.altNames, one.master, one.alias], [properties?.altNames ?? [], master, alias]);
      assert.equal(one.attributes, attributes);
    }
  }
});

test("a link copies, compares, prints, freezes and goes to JSON like a plain object", () => {
  const plain = { ...first() };
  assert.equal(Object.getPrototypeOf(plain), Object.prototype);
  assert.equal(first(), plain);
  deepStrictEqual(first(), plain);
  deepStrictEqual(plain, first());
  assert.is(asJson(first()), asJson(plain));
  assert.is(inspect(first()), inspect(plain));
  assert.is(inspect([first()]), inspect([plain]));
  assert.equal(Object.keys(first()), Object.keys(plain));
  assert.ok("mtu" in first() && Object.hasOwn(first(), "mtu") && !("nonsense" in first()));
  assert.is((first() as unknown as Record<string, unknown>).nonsense, undefined);
  const frozen = Object.freeze(first());
  assert.is(frozen.name, plain.name);
  deepStrictEqual(frozen, plain);
  assert.is(Object.getPrototypeOf(first()), Object.prototype);
  const { index, ...rest } = first();
  assert.equal({ index, ...rest }, plain);
});

test("what is read of a link twice is the same object, before and after everything has been read", () => {
  const link = first();
  const { stats, attributes } = link;
  assert.ok(stats && attributes);
  assert.is(link.stats, stats);
  const copy = { ...link };
  assert.is(link.stats, stats);
  assert.is(copy.attributes, attributes);
});

test("a link reads from bytes that are kept for it", () => {
  const input = new Input((messages[0] as Uint8Array).slice());
  const link = linkReply.decode(input, 0, input.bytes.length, undefined);
  assert.is(input.kept, true);
  const copy = { ...link };
  input.bytes.fill(0xff);
  assert.equal(link, copy);
});

test("a malformed link is refused when its attributes are read", () => {
  const bytes = (messages[0] as Uint8Array).slice(0, 30);
  bytes[16] = 0xff;
  const link = decode(linkReply, bytes);
  assert.throws(
    () => link.mtu,
    (error: unknown) => error instanceof NetlinkDecodeError,
  );
  assert.throws(
    () => ({ ...link }),
    (error: unknown) => error instanceof NetlinkDecodeError,
  );
});

test.run();
