/** A cell of a table, with the style that it is printed in once it has been padded. */
export interface Cell {
  readonly text: string;
  readonly style?: (text: string) => string;
}

/** A cell from whatever may be printed in one: nothing is an empty cell. */
export type CellLike = string | number | bigint | Cell | undefined;

/**
 * Lines of aligned columns under headings, two spaces apart and indented by two.
 * @param headings one a column; a heading that begins with a space is of a column aligned to the right
 * @param rows a column in which every row is empty is left out
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly CellLike[])[],
  headingStyle: (text: string) => string = (text) => text,
): string {
  const cells = rows.map((row) => headings.map((_, column) => cell(row[column])));
  const titles = headings.map((heading) => ({ text: heading.trim(), style: headingStyle }));
  const columns = headings.flatMap((heading, column) => {
    const widths = cells.map((row) => row[column]!.text.length);
    const widest = widths.reduce((a, b) => Math.max(a, b), 0);
    if (widest === 0) return [];
    return [{ column, width: Math.max(widest, titles[column]!.text.length), right: heading.startsWith(" ") }];
  });
  const lines = [titles, ...cells].map((row: readonly Cell[]) => {
    const parts = columns.map(({ column, width, right }, i) => {
      const { text, style = same } = row[column]!;
      // Nothing is padded at the end of a line.
      const padded = right ? text.padStart(width) : i === columns.length - 1 ? text : text.padEnd(width);
      return style(padded);
    });
    return `  ${parts.join("  ")}`.trimEnd();
  });
  return lines.join("\n");
}

function cell(value: CellLike): Cell {
  if (value === undefined) return { text: "" };
  return typeof value === "object" ? value : { text: String(value) };
}

function same(text: string): string {
  return text;
}
