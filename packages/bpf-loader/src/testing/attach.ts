import { execFileSync } from "node:child_process";
import { basename } from "node:path";
import { Socket } from "@weir/syscall";
import type { LoadedObject } from "../kernel/loaded-object.js";
import type { BpfProgram } from "../kernel/program.js";
import { parseFixture } from "./fixtures.js";

/** A program of fixtures/attach.bpf.c, with what it has noted. */
export interface Counting extends Disposable {
  readonly program: BpfProgram;
  readonly loaded: LoadedObject;
  /** How often it has run. */
  hits(): number;
  /** What it noted last. */
  noted(): { hits: bigint; cookie: bigint; argument: bigint };
}

/** Loads one program of fixtures/attach.bpf.c, with counters of its own. */
export function counting(name: string, options: { onlyThisProcess?: boolean } = {}): Counting {
  const object = parseFixture("attach");
  if (options.onlyThisProcess) object.variable("only_pid").set(process.pid);
  const loaded = object.load({ programs: [name] });
  const noted = () => loaded.map(".bss").get(0) as { hits: bigint; cookie: bigint; argument: bigint };
  return {
    program: loaded.program(name),
    loaded,
    noted,
    hits: () => Number(noted().hits),
    [Symbol.dispose]() {
      loaded.close();
    },
  };
}

/** Runs `ip` in a network namespace that is bound below /run/netns. */
export function ip(netns: string, ...args: string[]): string {
  return execFileSync("ip", ["-n", basename(netns), ...args], { encoding: "utf8" });
}

const AF_INET = 2;
const SOCK_DGRAM = 2;

/** An IPv4 address and port as the kernel takes them. */
export function address(port: number, host = [127, 0, 0, 1]): Uint8Array {
  const bytes = new Uint8Array(16);
  new Uint16Array(bytes.buffer)[0] = AF_INET;
  bytes.set([port >> 8, port & 0xff, ...host], 2);
  return bytes;
}

/** Sends a UDP packet from a namespace, to its own loopback if nothing else is said. */
export function sendPacket(netns: string, to: Uint8Array = address(9)): void {
  using socket = Socket.open(AF_INET, SOCK_DGRAM, 0, { netns });
  socket.connect(to);
  socket.send(new Uint8Array(20));
}

/** Something that this process does and that can be watched in the C library and in the kernel: getppid(2). */
export function callGetppid(): void {
  void process.ppid;
}
