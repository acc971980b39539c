import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Codec, decode, encode } from "../schema/index.js";
import { capturedTc } from "../testing/captured-tc.js";
import { filterMessage } from "./filter-schema.js";
import { qdiscMessage } from "./tc-schema.js";

const schemas = {
  qdisc: qdiscMessage,
  class: qdiscMessage,
  filter: filterMessage,
  chain: filterMessage,
} as const;
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const plain = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

for (const [number, { type, command, hex }] of capturedTc.entries())
  test(`the ${type} ${number} after "${command}" decodes, knows every attribute and encodes to the same bytes`, () => {
    const value = decode<unknown>(schemas[type], bytesOf(hex));
    assert.is(Buffer.from(encode(schemas[type] as Codec<unknown, unknown>, value)).toString("hex"), hex);
    assert.not.ok(JSON.stringify(value, plain).includes('"unknown":['), "unknown attributes");
  });

test.run();
