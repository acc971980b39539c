import { BpfProgram, encodeSkbContext } from "@weir/bpf-loader";

/**
 * Gives a program packets of some flows in turn, in a process of its own, from when it is told to. Its arguments: where
 * the program is pinned, how often each round is repeated, and the flows' numbers with commas between them.
 */
const [pin, repeat, flows] = process.argv.slice(2) as [string, string, string];
const ROUNDS = 8;
/** Bytes of a packet, as on the wire. */
const LENGTH = 1000;

using program = BpfProgram.open(pin);
const context = encodeSkbContext({ wireLength: LENGTH });
const packets = flows.split(",").map((flow) => {
  const data = new Uint8Array(LENGTH);
  data.set([0x08, 0x00, 0x45, 0, (LENGTH - 14) >> 8, (LENGTH - 14) & 0xff, 0, 0, 0, 0, 64, 17, 0, 0], 12);
  data.set([10, 0, 0, 1, 10, 0, 0, 2, 0x10, Number(flow), 0, 9], 26);
  return data;
});
console.log("ready");
await new Promise((resolve) => process.stdin.once("data", resolve));
for (let round = 0; round < ROUNDS; round++) {
  for (const data of packets) program.testRun({ data, context, repeat: Number(repeat) });
}
process.exit(0);
