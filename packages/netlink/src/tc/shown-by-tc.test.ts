import { test } from "uvu";
import * as assert from "uvu/assert";
import { Input } from "../schema/index.js";
import { capturedTc } from "../testing/captured-tc.js";
import { shownByTc } from "../testing/shown-by-tc.js";
import { elsewhere, type Json, qdiscWords, xstatsWords } from "../testing/tc-words.js";
import { formatHandle } from "./handle.js";
import { type Qdisc, qdiscReply } from "./qdisc.js";

/** The captured qdisc that tc shows. */
function qdiscAfter(command: string, kind: string): Qdisc {
  for (const { hex, command: after } of capturedTc) {
    if (after !== command) continue;
    const wire = new Uint8Array(Buffer.from(hex, "hex"));
    const qdisc = qdiscReply.decode(new Input(wire), 0, wire.length);
    if (qdisc?.kind === kind) return qdisc;
  }
  throw new Error(`no ${kind} was captured after ${command}`);
}

const defined = (value: Json): Json =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));

/** The kinds whose own counters were compared. */
const compared = new Set<string>();

for (const { command, json } of shownByTc)
  test(`what we read after "${command}" is what tc reads`, () => {
    const theirs = JSON.parse(json) as Json & { kind: string; options: Json };
    const qdisc = qdiscAfter(command, theirs.kind);
    if (theirs.kind !== "noqueue") assert.is(formatHandle(qdisc.handle).replace("none", "0:"), theirs.handle);
    assert.is(qdisc.ingressBlock, theirs.ingress_block);
    assert.is(qdisc.egressBlock, theirs.egress_block);
    const convert = qdiscWords[theirs.kind as keyof typeof qdiscWords] as
      | ((options: unknown) => Json)
      | undefined;
    const ours = defined(convert && qdisc.options ? convert(qdisc.options) : ((qdisc.options ?? {}) as Json));
    const expected = Object.fromEntries(
      Object.entries(theirs.options).filter(([key]) => !elsewhere.has(key)),
    );
    // The rate that cake guesses goes on changing, and htb counts packets here.
    for (const live of ours.autorate ? ["bandwidth"] : ["direct_packets_stat"]) {
      delete ours[live];
      delete expected[live];
    }
    assert.equal(ours, expected);
    assert.is(qdisc.stats?.requeues, theirs.requeues);
    // Some devices sent a packet between the two captures.
    const convertStats = xstatsWords[theirs.kind] as ((xstats: unknown) => Json) | undefined;
    if (Number(qdisc.stats?.packets) !== theirs.packets || !convertStats || ours.autorate) return;
    assert.is(Number(qdisc.stats?.bytes), theirs.bytes);
    const counters = convertStats(qdisc.xstats);
    for (const [name, value] of Object.entries(counters)) assert.equal(value, theirs[name], name);
    compared.add(theirs.kind);
  });

test("the counters of all kinds that have their own were compared", () => {
  assert.equal([...compared].sort(), Object.keys(xstatsWords).sort());
});

test.run();
