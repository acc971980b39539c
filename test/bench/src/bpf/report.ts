/** One measurement, both sides. */
export interface Result {
  readonly name: string;
  /** Of the medians: nanoseconds, or bytes. */
  readonly unit: "ns" | "bytes";
  readonly weir: number;
  /** Absent where libbpf has nothing to compare with. */
  readonly libbpf?: number | undefined;
  /** What was to be reached: at most this many times libbpf's time, or this many of the unit. */
  readonly goal?: { readonly ratio: number } | { readonly value: number } | undefined;
}

/** Whether a goal was reached; undefined where there is none. */
export function reached({ weir, libbpf, goal }: Result): boolean | undefined {
  if (!goal) return undefined;
  return "ratio" in goal ? weir <= goal.ratio * (libbpf ?? 0) : weir <= goal.value;
}

/** The median of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The results as a table for people. */
export function table(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.name,
    amount(result.libbpf, result.unit),
    amount(result.weir, result.unit),
    result.libbpf === undefined ? "" : `${(result.weir / result.libbpf).toFixed(2)}x`,
    goalText(result),
  ]);
  const lines = [["", "libbpf", "weir", "ratio", "goal"], ...rows];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)));
  return lines
    .map((cells) =>
      cells
        .map((cell, column) =>
          column === 0 || column === 4 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
        )
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
}

function goalText(result: Result): string {
  const { goal, unit } = result;
  if (!goal) return "";
  const text = "ratio" in goal ? `${goal.ratio}x` : amount(goal.value, unit);
  return `<= ${text}${reached(result) ? "" : "  missed"}`;
}

function amount(value: number | undefined, unit: Result["unit"]): string {
  if (value === undefined) return "";
  if (unit === "bytes") return `${(value / 2 ** 20).toFixed(2)} MiB`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} ms`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)} us`;
  return value >= 1e3 ? `${(value / 1e3).toFixed(2)} us` : `${value.toFixed(0)} ns`;
}
