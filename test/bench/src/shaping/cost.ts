import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BpfObject, encodeSkbContext } from "@weir/bpf-loader";
import { median } from "../bpf/report.js";
import type { Cost } from "./report.js";

const ROUNDS = 25;
const REPEAT = 20_000;

/** The cost of a packet on this machine's own kernel: of an empty program, of Cilium's way, and of weir's. */
export function measureCosts(): Cost[] {
  const object = fileURLToPath(new URL("../../fixtures/edt.bpf.o", import.meta.url));
  using loaded = BpfObject.parse(readFileSync(object)).load();
  // A test run has no classid: it finds the first pod.
  const pods = loaded.map<number, Record<string, bigint>>("pods");
  pods.set(0, { bytes_per_second: 125_000_000_000n, next_ns: 0n });
  const context = encodeSkbContext({ wireLength: 1514 });
  const data = new Uint8Array(1514);
  data.set([0x08, 0x00, 0x45], 12);
  const cost = (name: string) => {
    const rounds = Array.from({ length: ROUNDS }, () =>
      Number(loaded.program(name).testRun({ data, context, repeat: REPEAT }).durationNs),
    );
    return median(rounds);
  };
  return [
    { name: "empty program", ns: cost("nothing") },
    { name: "EDT, nobody waits", ns: cost("stamp") },
    ...weirCosts(),
  ];
}

/** The shaper has a program for it: what a packet costs depends on maps that are its own affair. */
function weirCosts(): Cost[] {
  const script = new URL("../../../../packages/shaper/dist/testing/program-cost.js", import.meta.url);
  const output = execFileSync(process.execPath, [fileURLToPath(script)], { encoding: "utf8" });
  return (JSON.parse(output) as Cost[]).map(({ name, ns }) => ({ name: `weir, ${name}`, ns }));
}
