import type { PeerName, Test } from "./plan.js";

/** How long the answers of a sparse flow took, in milliseconds; null where none came. */
export interface SparseResult {
  sent: number;
  answered: number;
  p50: number | null;
  p99: number | null;
}

/** The sparse flows of one pod. */
export interface Sparse {
  ping: SparseResult;
  /** Requests and responses over one TCP connection. */
  requests: SparseResult;
}

/** One peer under one load. */
export interface Cell {
  peer: PeerName;
  test: Test;
  /** Bits per second that arrived, all headers included, in each second from the first byte on. */
  wireBitsPerSecond: number[];
  /** Payload bits per second at the receiver. */
  goodputBitsPerSecond: number;
  /** What each flow got of it. */
  streams: number[];
  /** Segments that the sending side's TCP sent again. */
  retransmits: number;
  /** CPU time of the whole machine for each byte that arrived, in nanoseconds. */
  cpuNsPerByte: number;
  /** Of the pod under load. */
  same: Sparse;
  /** Of its neighbour, which the same peer limits and nobody loads. */
  other: Sparse;
}

/** A cell that could not be measured. */
export interface Failure {
  peer: PeerName;
  test: Test;
  message: string;
}

/** How many CPUs many flows were sent on, and what arrived. */
export interface Exactness {
  cpus: number;
  flows: number;
  bitsPerSecond: number;
  wireBitsPerSecond: number[];
}

/** What the program costs for each packet, in nanoseconds, by the kernel's test runs. */
export interface Cost {
  name: string;
  ns: number;
}

/** Everything that was measured. */
export interface Report {
  kernel: string;
  /** The guest's. */
  cpus: number;
  date: string;
  command: string;
  /** Where the machine was emulated, and the load averages over a minute there: before, on average, and at most. */
  host: { cpus: number; load: { before: number; mean: number; most: number } };
  cells: Cell[];
  failures: Failure[];
  exactness?: Exactness;
  costs?: Cost[];
}

/** Jain's index: 1 where all flows got the same, 1/n where one got everything. */
export function jain(streams: readonly number[]): number {
  const sum = streams.reduce((total, value) => total + value, 0);
  const squares = streams.reduce((total, value) => total + value * value, 0);
  return squares === 0 ? Number.NaN : (sum * sum) / (streams.length * squares);
}

/** The mean of some numbers. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** How far the second that is farthest from a limit is off it, as a part of the limit. */
export function worstSecond(wire: readonly number[], limit: number): number {
  return wire.reduce((worst, rate) => {
    const off = rate / limit - 1;
    return Math.abs(off) > Math.abs(worst) ? off : worst;
  }, 0);
}
