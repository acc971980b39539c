import { formatShortRate } from "../../units.js";
import { type Known, type StatusRow, statusColumns, statusTable } from "../status.js";
import type { Terminal } from "../terminal.js";
import type { Key } from "./screen.js";

/** What `weir top` shows, apart from the figures. */
export interface View {
  /** The title of the column that rows are sorted by. */
  readonly sort: string;
  readonly descending: boolean;
  /** How many rows are scrolled past. */
  readonly scroll: number;
}

/** What it begins with: who sends and receives most. */
export const firstView: View = { sort: "NOW", descending: true, scroll: 0 };

/** What changes with a key; "quit" where it ends. @param page how many rows there is room for */
export function press(view: View, { name, ctrl }: Key, page: number): View | "quit" {
  if (name === "q" || (ctrl && (name === "c" || name === "\u0003" || name === "d"))) return "quit";
  const scrollBy = (rows: number) => ({ ...view, scroll: Math.max(view.scroll + rows, 0) });
  switch (name) {
    case "r":
      return { ...view, descending: !view.descending };
    case "left":
    case "<":
      return sortBy(view, neighbour(view.sort, -1));
    case "right":
    case ">":
      return sortBy(view, neighbour(view.sort, 1));
    case "up":
      return scrollBy(-1);
    case "down":
      return scrollBy(1);
    case "pageup":
      return scrollBy(-page);
    case "pagedown":
      return scrollBy(page);
    case "home":
      return { ...view, scroll: 0 };
    default: {
      const column = statusColumns.find(({ key }) => key === name);
      return column && !ctrl ? sortBy(view, column.title) : view;
    }
  }
}

/** How many rows of the table fit. */
export function pageOf(rows: number): number {
  return Math.max(rows - LINES_AROUND, 1);
}

const LINES_AROUND = 4;

/** The lines of the screen. */
export function render(
  view: View,
  all: readonly Known[],
  rows: readonly StatusRow[],
  {
    columns,
    rows: height,
    clock,
    style,
  }: { columns: number; rows: number; clock: string } & Pick<Terminal, "style">,
): string[] {
  const ill = all.filter(({ healthy }) => !healthy).length;
  const total = (direction: string) =>
    formatShortRate(
      rows.reduce((sum, row) => sum + (row.direction === direction ? (row.rates?.bitsPerSecond ?? 0) : 0), 0),
    );
  const health = ill === 0 ? style.green("all healthy") : style.red(`${ill} with problems: see weir doctor`);
  const head = `${style.bold("weir top")}  ${clock}  ${all.length} attachments, ${health}  egress ${total("egress")}, ingress ${total("ingress")}`;
  const sorted = sort(rows, view);
  const page = pageOf(height);
  const first = Math.min(view.scroll, Math.max(sorted.length - page, 0));
  // All rows, so that the columns stay where they are when it scrolls.
  const titles = new Map([[view.sort, style.inverse]]);
  const [title = "", ...lines] = statusTable(sorted, { columns, style }, titles).split("\n");
  const shown = lines.slice(first, first + page);
  const body = rows.length === 0 ? ["nothing is shaped on this node"] : [title, ...shown];
  const more = sorted.length > page ? `  rows ${first + 1}-${first + shown.length} of ${sorted.length}` : "";
  const blank = Array<string>(Math.max(height - body.length - 3, 0)).fill("");
  const foot = `q quit  r reverse  ←→ sort by ${view.sort} ${view.descending ? "↓" : "↑"}  ↑↓ scroll${more}`;
  return [head, "", ...body, ...blank, style.dim(foot)];
}

/** Rows in the order of a view; those that are alike by pod, interface and direction. */
export function sort(rows: readonly StatusRow[], { sort: title, descending }: View): StatusRow[] {
  const by = statusColumns.find((column) => column.title === title)!;
  const ties = statusColumns.slice(0, 3);
  return [...rows].sort((a, b) => {
    const order = compare(by.order(a), by.order(b));
    if (order !== 0) return descending ? -order : order;
    for (const tie of ties) {
      const next = compare(tie.order(a), tie.order(b));
      if (next !== 0) return next;
    }
    return 0;
  });
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === "string") return a < String(b) ? -1 : a > String(b) ? 1 : 0;
  return a - Number(b);
}

function sortBy(view: View, title: string): View {
  if (title === view.sort) return { ...view, descending: !view.descending };
  // Names from the first on, figures from the highest on; what is damaged comes first.
  const descending = !["POD", "IFACE", "DIR", "HEALTH", "ID"].includes(title);
  return { sort: title, descending, scroll: 0 };
}

function neighbour(title: string, step: number): string {
  const at = statusColumns.findIndex((column) => column.title === title);
  return statusColumns[(at + step + statusColumns.length) % statusColumns.length]!.title;
}
