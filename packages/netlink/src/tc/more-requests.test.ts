import { test } from "uvu";
import * as assert from "uvu/assert";
import { MessageFlags } from "../message.js";
import { type Codec, decode } from "../schema/index.js";
import { moreTcCases } from "../testing/more-tc-cases.js";
import { moreTcRequests } from "../testing/more-tc-requests.js";
import { pedit } from "./actions/pedit.js";
import { police } from "./actions/police.js";
import type { QdiscOptionsInputByKind } from "./qdisc.js";
import { replaceQdisc } from "./qdiscs.js";
import { gotoChain } from "./verdict.js";

const index = 3;
const ours = moreTcCases(index, 2);

for (const { command, flags, hex } of moreTcRequests)
  test(`what we send says what "${command}" says`, () => {
    const [, request] = Object.entries(ours).find(([text]) => command.endsWith(text)) ?? [];
    assert.ok(request);
    if (!request) return;
    const schema = request.schema as Codec<unknown, never>;
    assert.equal(meant(decode(schema, request.body)), meant(decode(schema, bytesOf(hex))));
    // For classes tc leaves NLM_F_REPLACE out; the kernel does not look at it (net/sched/sch_api.c, tc_ctl_tclass).
    const ignored = command.startsWith("tc class") ? MessageFlags.REPLACE : 0;
    assert.is(((request.flags ?? 0) | MessageFlags.REQUEST | MessageFlags.ACK) & ~ignored, flags);
  });

test("every request of ours is compared", () => {
  for (const text of Object.keys(ours))
    assert.ok(
      moreTcRequests.some(({ command }) => command.endsWith(text)),
      text,
    );
});

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

/** The value without what says nothing: offload flags of zero, and options without any. */
function meant(value: unknown): unknown {
  const message = value as { attributes: { options?: { flags?: unknown } } };
  const { options } = message.attributes;
  if (Array.isArray(options?.flags) && options.flags.length === 0) delete options.flags;
  // tc puts an empty nest behind the struct of prio.
  if (options && "bands" in options) delete (options as { tail?: unknown }).tail;
  // tc reckons tbf's times with the 32 bits of the rate, whatever the rate is; the kernel goes by the 64 and by the
  // burst in bytes (net/sched/sch_tbf.c, tbf_change).
  if (options && "rate64" in options && "burst" in options) {
    const tbf = options as { parms?: Record<string, unknown>; rateTable?: unknown; peakRateTable?: unknown };
    for (const name of ["buffer", "mtu"]) delete tbf.parms?.[name];
    delete tbf.rateTable;
    delete tbf.peakRateTable;
  }
  if (options && Object.keys(options).length === 0) delete message.attributes.options;
  return message;
}

test("pedit says for each key where it counts from and what it does", () => {
  const { options } = pedit({
    keys: [
      { mask: 0x00ff_ffff, value: 0x4000_0000, offset: 8, header: "ip4" },
      { mask: 0, value: 1, offset: 0, header: "tcp", command: "add" },
    ],
  }) as { options: { parmsEx: { keyCount: number }; keysEx: unknown } };
  assert.is(options.parmsEx.keyCount, 2);
  assert.equal(options.keysEx, {
    keys: [
      { header: "ip4", command: "set" },
      { header: "tcp", command: "add" },
    ],
  });
});

const qdisc = <K extends keyof QdiscOptionsInputByKind>(kind: K, options: QdiscOptionsInputByKind[K]) =>
  replaceQdisc({ index, kind, options } as never);

test("options that do not fit together are refused before anything is sent", () => {
  for (const [make, text] of [
    [() => police({ rateBitsPerSecond: 8000 }), /takes burstBytes/],
    [() => police({ rateBitsPerSecond: 8000, burstBytes: 1, packetsPerSecond: 1 }), /not both/],
    [() => police({ packetsPerSecond: 1 }), /packetBurst together/],
    [() => police({ rateBitsPerSecond: 8000, burstBytes: 1, peakRateBitsPerSecond: 8000 }), /mtuBytes/],
    [() => qdisc("netem", { reorder: { probability: 0.5 } }), /takes a delay/],
    [() => qdisc("netem", { loss: { probability: 2 } }), /not a probability/],
    [() => qdisc("netem", { delayUs: -1 }), /not a time/],
    [() => qdisc("sfq", { red: { limitBytes: 1000, minBytes: 900, maxBytes: 100 } }), /must be below/],
    [() => qdisc("mqprio", { priomap: [], queues: [] }), /traffic classes/],
    [() => gotoChain(2 ** 28), /below 2\^28/],
  ] as const)
    assert.throws(make, text);
});

test.run();
