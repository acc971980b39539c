import { type PeerName, peerTitles, rateName, type Test, testName } from "./plan.js";
import { type Cell, jain, mean, type Report, type SparseResult, worstSecond } from "./report.js";

/** Rows of cells; the first row has the columns' names. */
export interface Table {
  title: string;
  rows: string[][];
}

interface Column {
  readonly name: string;
  readonly show: (cell: Cell, ours: Cell | undefined) => string;
  /** What makes one better than another: the least is the best. Absent where nothing is better. */
  readonly rank?: (cell: Cell) => number;
  readonly wanted?: (test: Test) => boolean;
}

const sparse = (name: string, of: (cell: Cell) => SparseResult): Column[] => [
  {
    name: `${name} p50`,
    show: (cell) => milliseconds(of(cell).p50),
    rank: (cell) => of(cell).p50 ?? Number.POSITIVE_INFINITY,
  },
  {
    name: `${name} p99`,
    show: (cell, ours) => {
      const [theirs, own] = [of(cell).p99, ours && of(ours).p99];
      const ratio = ours && ours !== cell && theirs && own ? ` ${times(theirs / own)}` : "";
      return `${milliseconds(theirs)}${ratio}`;
    },
    rank: (cell) => of(cell).p99 ?? Number.POSITIVE_INFINITY,
  },
];

const loaded = ({ flows }: Test) => flows > 0;
const tcp = (test: Test) => loaded(test) && test.protocol === "tcp";

const columns: readonly Column[] = [
  {
    name: "goodput",
    show: ({ goodputBitsPerSecond }) => (goodputBitsPerSecond / 1e6).toFixed(2),
    rank: ({ goodputBitsPerSecond }) => -goodputBitsPerSecond,
    wanted: loaded,
  },
  {
    name: "first second",
    show: ({ wireBitsPerSecond: [first], test }) =>
      first === undefined ? "-" : off(first / test.bitsPerSecond - 1),
    wanted: loaded,
  },
  {
    name: "worst second",
    show: ({ wireBitsPerSecond: wire, test }) => off(worstSecond(wire, test.bitsPerSecond)),
    rank: ({ wireBitsPerSecond: wire, test }) => Math.abs(worstSecond(wire, test.bitsPerSecond)),
    wanted: loaded,
  },
  {
    name: "sent again",
    show: ({ retransmits }) => String(retransmits),
    rank: ({ retransmits }) => retransmits,
    wanted: tcp,
  },
  {
    name: "Jain",
    show: ({ streams }) => jain(streams).toFixed(3),
    rank: ({ streams }) => -jain(streams),
    wanted: (test) => tcp(test) && test.flows > 1,
  },
  ...sparse("ping", ({ same }) => same.ping),
  ...sparse("requests", ({ same }) => same.requests),
  { name: "neighbour's ping p99", show: ({ other }) => milliseconds(other.ping.p99) },
  {
    name: "CPU ns/byte",
    show: ({ cpuNsPerByte }) => cpuNsPerByte.toFixed(2),
    rank: ({ cpuNsPerByte }) => cpuNsPerByte,
    wanted: loaded,
  },
];

/** Those that do not shape, or not from the first second on: they are no measure of what is good. */
const unmeasured: readonly PeerName[] = ["containerd", "unshaped"];

/** A table for each rate and load. The best of each column has a star; beside p99 stands how many times weir's it is. */
export function tables({ cells }: Report): Table[] {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const key = `${rateName(cell.test.bitsPerSecond)}, ${testName(cell.test)}`;
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  return [...groups].map(([title, group]) => tableOf(title, group));
}

function tableOf(title: string, group: readonly Cell[]): Table {
  const { test } = group[0]!;
  const ours = group.find(({ peer }) => peer === "weir");
  const shown = columns.filter(({ wanted }) => wanted?.(test) ?? true);
  const compared = group.filter((cell) => !unmeasured.includes(cell.peer) && !exceeds(cell));
  const best = shown.map(({ rank }) => (rank ? Math.min(...compared.map(rank)) : Number.NaN));
  const rows = group.map((cell) => [
    peerTitles[cell.peer],
    ...shown.map(({ show, rank }, index) => {
      const star = compared.includes(cell) && compared.length > 1 && rank?.(cell) === best[index];
      return `${show(cell, ours)}${star ? " *" : ""}`;
    }),
  ]);
  return { title, rows: [["", ...shown.map(({ name }) => name)], ...rows] };
}

/** Whether more arrived than the limit allows: what else is said of it is no measure either. */
function exceeds({ test, wireBitsPerSecond: wire }: Cell): boolean {
  return wire.length > 0 && mean(wire) > test.bitsPerSecond * 1.02;
}

/** A table for the terminal. */
export function plain({ title, rows }: Table): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd();
  return [title, ...rows.map(line)].join("\n");
}

/** A table for a page. */
export function markdown({ rows }: Table): string {
  const [heading, ...rest] = rows;
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  const rule = line(heading!.map((_, column) => (column === 0 ? "---" : "---:")));
  return [line(heading!), rule, ...rest.map((row) => line(row.map(bold)))].join("\n");
}

/** The best is bold on a page. */
function bold(cell: string): string {
  return cell.endsWith(" *") ? `**${cell.slice(0, -2)}**` : cell;
}

function milliseconds(value: number | null): string {
  return value === null ? "none" : value.toFixed(2);
}

function times(ratio: number): string {
  return `(${ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(1)}x)`;
}

function off(part: number): string {
  return `${part >= 0 ? "+" : "-"}${(Math.abs(part) * 100).toFixed(1)}%`;
}
