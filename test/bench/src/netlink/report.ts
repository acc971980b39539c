/** Those whom @weir/netlink is measured beside. */
export const peers = ["ip", "npm", "pyroute2"] as const;
export type PeerName = (typeof peers)[number];

/** One measurement, all sides. */
export interface Result {
  readonly name: string;
  readonly unit: "ns" | "bytes";
  /** Of one operation, in the quickest of the rounds. */
  readonly weir: number;
  readonly others: { readonly [K in PeerName]?: number | undefined };
  /** What was to be reached: at most so many of the unit, or to be so many times as fast as a peer. */
  readonly goal?: Goal | undefined;
}

export interface Goal {
  readonly value?: number;
  readonly times?: { readonly [K in PeerName]?: number };
}

/** What was not reached, in words. */
export function missed({ unit, weir, others, goal }: Result): string[] {
  const words: string[] = [];
  if (goal?.value !== undefined && weir > goal.value) words.push(`<= ${amount(goal.value, unit)}`);
  for (const peer of peers) {
    const [least, other] = [goal?.times?.[peer], others[peer]];
    if (least !== undefined && other !== undefined && other < least * weir) words.push(`${peer} ${least}x`);
  }
  return words;
}

/** The results as a table for people: beside each peer's figure, how many times weir's it is. */
export function table(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const cells = peers.map((peer) => {
      const other = result.others[peer];
      return other === undefined ? "" : `${amount(other, result.unit)} ${times(other / result.weir)}`;
    });
    const lacks = missed(result);
    const verdict = lacks.length > 0 ? `missed: ${lacks.join(", ")}` : result.goal ? "reached" : "";
    return [result.name, amount(result.weir, result.unit), ...cells, verdict];
  });
  const lines = [["", "weir", "ip, tc", "npm netlink", "pyroute2", "goal"], ...rows];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)));
  const pad = (cell: string, column: number) =>
    column === 0 || column === 5 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return lines.map((cells) => cells.map(pad).join("   ").trimEnd()).join("\n");
}

function times(ratio: number): string {
  return `${ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)}x`.padStart(
    6,
  );
}

function amount(value: number, unit: Result["unit"]): string {
  if (unit === "bytes") return `${(value / 2 ** 20).toFixed(1)} MiB`;
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} s`;
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} ms` : `${(value / 1e3).toFixed(1)} us`;
}
