import { test } from "uvu";
import * as assert from "uvu/assert";
import { ethtool } from "./generic/ethtool.js";
import type { FamilyDeclaration } from "./generic/family.js";
import { genericMessages } from "./generic/messages.js";
import { netdev } from "./generic/netdev.js";
import { wireguard } from "./generic/wireguard.js";
import { rtnetlinkMessages } from "./rtnetlink/message-types.js";
import { RtmType } from "./rtnetlink/messages.js";
import { type Codec, decode, encode } from "./schema/index.js";
import { capturedObjects } from "./testing/captured-objects.js";

const generic = genericMessages([
  { id: 100, declaration: ethtool as FamilyDeclaration },
  { id: 101, declaration: netdev as FamilyDeclaration },
  { id: 102, declaration: wireguard as FamilyDeclaration },
]);

/** How a captured body reads. */
function schemaOf(type: string, body: Uint8Array): Codec<unknown, unknown> {
  const number = RtmType[type as keyof typeof RtmType];
  const id = type.startsWith("ETHTOOL")
    ? 100
    : type.startsWith("NETDEV")
      ? 101
      : type.startsWith("WG_")
        ? 102
        : 16;
  const schema = number ? rtnetlinkMessages.schemaOf(number, body) : generic.schemaOf(id, body, 0);
  assert.ok(schema, `no schema for ${type}`);
  if (!number) assert.is(generic.nameOf(id, body, 0), type);
  return schema as unknown as Codec<unknown, unknown>;
}

const plain = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

for (const [number, { type, command, hex }] of capturedObjects.entries())
  test(`${type} ${number} after "${command}" decodes, knows every attribute and encodes to the same bytes`, () => {
    const body = new Uint8Array(Buffer.from(hex, "hex"));
    const schema = schemaOf(type, body);
    const value = decode(schema as Codec<unknown, never>, body);
    assert.is(Buffer.from(encode(schema, value)).toString("hex"), hex);
    assert.not.match(JSON.stringify(value, plain), '"unknown":[');
  });

test("there are messages of every type that the kernel sends unasked for or in a dump", () => {
  const types = new Set(capturedObjects.map(({ type }) => type));
  assert.ok(capturedObjects.length >= 150);
  for (const type of ["LINK", "ADDR", "ROUTE", "RULE", "NEIGH", "NEIGHTBL", "NEXTHOP", "NEXTHOPBUCKET"])
    assert.ok(types.has(`RTM_NEW${type}`), type);
  for (const type of ["VLAN", "NSID", "NETCONF", "MDB", "ACTION", "TFILTER", "QDISC"])
    assert.ok(types.has(`RTM_NEW${type}`), type);
});

test.run();
