/** A cell of a table, with the style that it is printed in once it has been padded. */
export interface Cell {
  readonly text: string;
  readonly style?: (text: string) => string;
}

/** What may be given as a cell. */
export type CellLike = string | Cell;

/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Aligned to the right, as numbers are. */
  readonly right?: boolean;
  /**
   * Where its texts may be shortened when there is too little room, and to how many characters before optional columns
   * are left out; without those, as much as need be.
   */
  readonly shorten?: { readonly from: "middle" | "end"; readonly to: number };
  /** Left out when there is too little room, the highest number first; without it, never. */
  readonly optional?: number;
  /** How its title is printed. */
  readonly style?: (text: string) => string;
}

const GAP = 2;
/** What is left of a shortened text in any case. */
const LEAST = 8;

/**
 * Lines of aligned columns under their titles, two spaces apart.
 * @param width how many characters a line may have: optional columns are left out first, then long texts are shortened
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly CellLike[])[],
  width = Number.POSITIVE_INFINITY,
): string {
  const cells = rows.map((row) =>
    row.map((cell): Cell => (typeof cell === "string" ? { text: cell } : cell)),
  );
  const natural = columns.map(({ title }, index) =>
    cells.reduce((widest, row) => Math.max(widest, row[index]?.text.length ?? 0), title.length),
  );
  const shown = fit(columns, natural, width);
  const line = (texts: readonly Cell[]) =>
    shown
      .map(({ index, room }, place) => {
        const { text, style } = texts[index] ?? { text: "" };
        const { right, shorten: how } = columns[index]!;
        const short = shorten(text, room, how?.from ?? "end");
        const last = place === shown.length - 1;
        const padded = right ? short.padStart(room) : last ? short : short.padEnd(room);
        return style ? style(padded) : padded;
      })
      .join(" ".repeat(GAP))
      .trimEnd();
  const titles = columns.map(({ title, style }): Cell => ({ text: title, ...(style ? { style } : {}) }));
  return [titles, ...cells].map(line).join("\n");
}

/** The text, or what is left of it in so many characters with an ellipsis in the middle or at the end. */
export function shorten(text: string, room: number, from: "middle" | "end" = "middle"): string {
  if (text.length <= room) return text;
  if (room < 2) return text.slice(0, Math.max(room, 0));
  const tail = from === "end" ? 0 : Math.floor((room - 1) / 2);
  return `${text.slice(0, room - 1 - tail)}…${tail === 0 ? "" : text.slice(-tail)}`;
}

/** A line cut to so many characters; what sets colours counts for none. */
export function cutLine(line: string, width: number): string {
  let room = width;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they set colours
  return line.replace(/\u001b\[[0-9;]*m|[^\u001b]/gu, (part) => {
    if (part.length > 1 && part.startsWith("\u001b")) return part;
    return room-- > 0 ? part : "";
  });
}

/** Which columns are shown, and how wide. */
function fit(
  columns: readonly Column[],
  natural: readonly number[],
  width: number,
): { index: number; room: number }[] {
  const shown = columns.map((_, index) => ({ index, room: natural[index]! }));
  const excess = () => shown.reduce((sum, { room }) => sum + room, GAP * (shown.length - 1)) - width;
  const rank = ({ index }: { index: number }) => columns[index]!.optional ?? 0;
  /** How far a column can be shortened. */
  const slack = (
    { index, room }: { index: number; room: number },
    to = columns[index]?.shorten?.to ?? room,
  ) => Math.max(room - Math.max(to, columns[index]!.title.length), 0);
  for (;;) {
    const last = shown.reduce((a, b) => (rank(b) > rank(a) ? b : a));
    // An optional column may stay where shortening others makes room for it.
    if (rank(last) === 0 || excess() <= shown.reduce((sum, one) => sum + slack(one), 0)) break;
    shown.splice(shown.indexOf(last), 1);
  }
  for (let over = excess(); over > 0; over = excess()) {
    const longest = shown
      .filter((one) => slack(one, Math.min(columns[one.index]!.shorten?.to ?? one.room, LEAST)) > 0)
      .sort((a, b) => b.room - a.room)[0];
    if (!longest) break;
    longest.room--;
  }
  return shown;
}
