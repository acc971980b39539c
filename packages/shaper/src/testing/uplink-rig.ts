import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfMap, type BpfProgram, decodeSkbContext, encodeSkbContext } from "@weir/bpf-loader";
import { mountBpffs, unmount } from "@weir/syscall";
import { Datapath } from "../datapath.js";
import type { Limit } from "../limits.js";
import { loadEntryProgram } from "../tcx/entry-program.js";
import { UplinkMaps } from "../uplink/maps.js";

const TC_ACT_SHOT = 2;

/** The program with maps of its own, and pods that share an uplink, to which packets are given in test runs. */
export class UplinkRig implements Disposable {
  readonly uplinkEntry = 2;
  readonly bpffs = mkdtempSync(join(tmpdir(), "weir-uplink-"));
  readonly folder = join(this.bpffs, "weir");
  readonly datapath: Datapath;
  readonly maps: UplinkMaps;
  readonly #programs: BpfMap;
  readonly #pods: RigPod[] = [];

  /** @param bitsPerSecond what the uplink carries */
  constructor(bitsPerSecond: bigint) {
    mountBpffs(this.bpffs);
    this.datapath = Datapath.load(this.bpffs, this.folder);
    this.maps = new UplinkMaps(this.folder);
    this.maps.setCapacity(this.uplinkEntry, bitsPerSecond);
    this.#programs = BpfMap.create({
      name: "rig_programs",
      type: "prog_array",
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
    });
    const fd = new Uint8Array(Uint32Array.of(this.datapath.program.fd.number).buffer);
    this.#programs.raw.set(new Uint8Array(4), fd);
  }

  /** A pod with an entry of its own. */
  addPod(limit: Limit): RigPod {
    const entry = 2 + this.#pods.length;
    this.datapath.take(entry, 1n);
    this.datapath.setLimit(entry, limit, 1n, { uplink: this.uplinkEntry });
    const pod = new RigPod(entry, loadEntryProgram(this.#programs, 0, entry));
    this.#pods.push(pod);
    return pod;
  }

  /** When all that was let through would have left, at the uplink's rate. */
  clock(): bigint {
    using clocks = BpfMap.open(join(this.folder, "uplink_clocks"));
    const key = new Uint8Array(Uint32Array.of(this.uplinkEntry).buffer);
    return new DataView(clocks.raw.get(key)!.buffer).getBigUint64(0, true);
  }

  [Symbol.dispose](): void {
    for (const { program } of this.#pods) program.close();
    this.#programs.close();
    this.maps.close();
    this.datapath.close();
    unmount(this.bpffs);
    rmSync(this.bpffs, { recursive: true });
  }
}

/** A pod of the rig. */
export class RigPod {
  readonly entry: number;
  readonly program: BpfProgram;
  /** When each of its packets leaves, in the order in which they were sent. */
  readonly departures: bigint[] = [];

  constructor(entry: number, program: BpfProgram) {
    this.entry = entry;
    this.program = program;
  }

  /** Sends a packet. @returns when it leaves, or undefined where it was dropped */
  send({ length = 500, flow = 1 }: { length?: number; flow?: number } = {}): bigint | undefined {
    const context = encodeSkbContext({ wireLength: length });
    const result = this.program.testRun({ data: udp(Math.min(length, 1500), this.entry, flow), context });
    if (result.returnValue === TC_ACT_SHOT) return undefined;
    const { tstamp } = decodeSkbContext(result.context);
    this.departures.push(tstamp);
    return tstamp;
  }
}

/** UDP over IPv4 from an address for each pod and a port for each flow. */
function udp(length: number, pod: number, flow: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const total = length - 14;
  bytes.set([0x08, 0x00, 0x45, 0, total >> 8, total & 0xff, 0, 0, 0, 0, 64, 17, 0, 0], 12);
  bytes.set([10, 0, 0, pod, 10, 0, 1, 1, flow >> 8, flow & 0xff, 0, 9], 26);
  bytes.set([(total - 20) >> 8, (total - 20) & 0xff], 38);
  return bytes;
}
