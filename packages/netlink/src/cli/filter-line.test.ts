import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Filter, filterMessage, schema } from "../index.js";
import { filterReply } from "../tc/filter.js";
import { capturedTc } from "../testing/captured-tc.js";
import { filterLine } from "./lines.js";
import { DeviceNames } from "./names.js";

const plain = (text: string) => text;
const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

/** The line about the filter that was captured after a command that ends so. */
function lineAfter(end: string): string {
  for (const { type, command, hex } of capturedTc) {
    if (type !== "filter" || !command.endsWith(end)) continue;
    const bytes = new Uint8Array(Buffer.from(hex, "hex"));
    const filter = filterReply.decode(new schema.Input(bytes), 0, bytes.length) as Filter;
    if (filter.options && (filter.handle & 0xfff) !== 0)
      return filterLine(filter, { devices: new DeviceNames([{ index: 2, name: "v1" }]), style });
  }
  throw new Error(`nothing was captured after ${end}`);
}

test("a u32 filter's line has its keys as tc writes them", () => {
  assert.match(
    lineAfter("match ip dport 80 0xffff classid 1:9"),
    /u32 chain 0 fh 800::[0-9a-f]+ ht 800: terminal match 0a000000\/ff000000 at 12 match 00000050\/0000ffff at 20 .*classid 1:9/,
  );
});

test("actions' lines have their verdicts, rates and cookies by name", () => {
  assert.match(
    lineAfter("drop/pipe overhead 24 linklayer ethernet"),
    /action police rate 1Mbit burst 10000b mtu 1600b overhead 24b link_layer ethernet conform-exceed shot\/pipe index \d+$/,
  );
  assert.match(lineAfter("pass 7 index 12 cookie 00112233"), /action gact .*index 12 cookie 00112233$/);
  assert.match(
    lineAfter("dst_ip 192.0.2.0/24 action goto chain 6"),
    /chain 5 .*action gact goto_chain 6 index \d+$/,
  );
});

test("a filter of a block says which", () => {
  const bytes = schema.encode(filterMessage, {
    header: { index: -1, parent: 22, info: 5 * 0x10000 + 0x0008, handle: 1 },
    attributes: { kind: "matchall", chain: 0, options: {} },
  });
  const filter = filterReply.decode(new schema.Input(bytes), 0, bytes.length) as Filter;
  assert.is(
    filterLine(filter, { devices: new DeviceNames(), style }),
    "filter block 22 protocol ip pref 5 matchall chain 0 handle 0x1",
  );
});

test.run();
