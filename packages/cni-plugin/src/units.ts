/** Decimal steps: rates and sizes on the wire are counted in thousands. */
const prefixes = ["", "k", "M", "G", "T", "P", "E"];

/** A rate for people: "100 Mbit/s", "1.5 Gbit/s". */
export function formatRate(bitsPerSecond: bigint): string {
  return scaled(bitsPerSecond, "bit/s");
}

/** A rate in as few characters as it is written in an annotation: "100M", "1.5G". */
export function formatShortRate(bitsPerSecond: bigint | number): string {
  return short(BigInt(Math.round(Number(bitsPerSecond))));
}

/** A count for people, exact up to five digits: "0", "99999", "1.2M". */
export function formatCount(count: bigint): string {
  return count < 100_000n ? count.toString() : short(count);
}

/** An amount of data in bits, for people: "64 kbit". */
export function formatBits(bits: bigint): string {
  return scaled(bits, "bit");
}

/** An amount of data in bytes, for people: "1.2 GB". */
export function formatBytes(bytes: bigint): string {
  return scaled(bytes, "B");
}

/** A span of time for people: "9.3 ms", "740 ns". */
export function formatNs(ns: bigint): string {
  const units = [
    ["s", 1_000_000_000n],
    ["ms", 1_000_000n],
    ["µs", 1_000n],
  ] as const;
  for (const [unit, size] of units) {
    if (ns >= size) return `${significant(Number(ns) / Number(size))} ${unit}`;
  }
  return `${ns} ns`;
}

/** The mean of a sum of nanoseconds over a count, for people; "-" where there is nothing to divide by. */
export function formatMeanNs(sumNs: bigint, count: bigint): string {
  return count === 0n ? "-" : formatNs(sumNs / count);
}

function short(value: bigint): string {
  return scaled(value, "").replace(" ", "");
}

function scaled(value: bigint, unit: string): string {
  let power = 0;
  let number = Number(value);
  while (number >= 999.95 && power < prefixes.length - 1) {
    number /= 1000;
    power++;
  }
  return `${power === 0 ? value.toString() : significant(number)} ${prefixes[power]}${unit}`;
}

/** One decimal below a hundred, where it is not zero. */
function significant(number: number): string {
  return number.toFixed(number < 99.95 ? 1 : 0).replace(/\.0$/, "");
}
