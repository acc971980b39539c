import { test } from "uvu";
import * as assert from "uvu/assert";
import { MessageFlags } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { type Codec, decode } from "../schema/index.js";
import { sharedTcRequests } from "../testing/shared-tc-requests.js";
import { mirred } from "./action.js";
import { type EstimatorOptions, estimatorToWire } from "./estimator.js";
import { addFilter } from "./filters.js";
import { addQdisc } from "./qdiscs.js";
import { addActions, removeAction } from "./shared-actions.js";
import type { SizeTableInput } from "./size-table.js";

const pfifo = (settings: { sizeTable?: SizeTableInput; estimator?: EstimatorOptions }) =>
  addQdisc({ index: 3, kind: "pfifo", options: { limit: 50 }, ...settings });

/** What we send for the captured commands, by how they end. */
const ours: Record<string, NetlinkRequest> = {
  "stab overhead -4 linklayer atm mpu 64 tbf rate 1mbit burst 5000 limit 10000": addQdisc({
    index: 3,
    kind: "tbf",
    sizeTable: { overheadBytes: -4, linkLayer: "atm", mpuBytes: 64 },
    options: { rateBitsPerSecond: 1_000_000, burstBytes: 5000, limitBytes: 10_000 },
  }),
  "stab mtu 9000 tsize 128 linklayer ethernet mpu 84 pfifo limit 50": pfifo({
    sizeTable: { mtuBytes: 9000, tableSize: 128, mpuBytes: 84 },
  }),
  "stab overhead 24 linklayer ethernet pfifo limit 50": pfifo({ sizeTable: { overheadBytes: 24 } }),
  "estimator 250ms 1s pfifo limit 50": pfifo({ estimator: { intervalMs: 250, averageMs: 1000 } }),
  "estimator 1s 8s pfifo limit 50": pfifo({ estimator: { intervalMs: 1000, averageMs: 8000 } }),
  "filter add block 22 protocol ip prio 5 u32 match u32 0 0 classid 1:1": addFilter({
    block: 22,
    protocol: "ip",
    priority: 5,
    kind: "u32",
    options: { classid: "1:1" },
  }),
  "actions add action mirred egress redirect dev v1 index 10": addActions([
    {
      ...mirred({ to: 2 }),
      options: { parms: { index: 10, action: "stolen", mode: "egressRedirect", ifindex: 2 } },
    },
  ]),
  "actions del action mirred index 10": removeAction({ kind: "mirred", index: 10 }),
};

for (const { command, flags, hex } of sharedTcRequests)
  test(`what we send says what "${command}" says`, () => {
    const [, request] = Object.entries(ours).find(([text]) => command.endsWith(text)) ?? [];
    assert.ok(request);
    if (!request) return;
    const schema = request.schema as Codec<unknown, never>;
    const theirs = decode(schema, new Uint8Array(Buffer.from(hex, "hex")));
    assert.equal(decode(schema, request.body), theirs);
    assert.is((request.flags ?? 0) | MessageFlags.REQUEST | MessageFlags.ACK, flags);
  });

test("an estimator that cannot be is refused before anything is sent", () => {
  assert.throws(() => estimatorToWire({ intervalMs: 300 as 250, averageMs: 1000 }), /none of 250/);
  assert.throws(() => estimatorToWire({ intervalMs: 1000, averageMs: 1000 }), /does not go with/);
  assert.throws(() => addFilter({ block: 0, kind: "u32", options: {} }), /not the number of a block/);
});

test.run();
