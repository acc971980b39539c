/** Where a kernel begins to tell of its own failure. */
const TROUBLE = /BUG: |kernel BUG at |Oops: |general protection fault|Unable to handle|Kernel panic - /;
const PANIC = /Kernel panic - .*/;
const LINES_BEFORE = 2;
const LINES_SHOWN = 40;

/** What a guest's console says about its end. */
export interface LastWords {
  /** The kernel's reason, or what guest/init said; undefined when it said neither. */
  readonly reason: string | undefined;
  /** Up to 40 lines: from where the trouble began, or the last ones. */
  readonly excerpt: string;
}

/** Picks out of a guest's console what a person wants to see after the guest ended by itself. */
export function lastWords(text: string): LastWords {
  const lines = text.replaceAll("\r", "").trimEnd().split("\n");
  const own = lines.findLast((line) => line.startsWith("weir-vm: "));
  const reason = PANIC.exec(text)?.[0].trim() ?? own?.slice("weir-vm: ".length);
  const trouble = lines.findIndex((line) => TROUBLE.test(line));
  const from = trouble < 0 ? Math.max(0, lines.length - LINES_SHOWN) : Math.max(0, trouble - LINES_BEFORE);
  const shown = lines.slice(from, from + LINES_SHOWN);
  const panic = lines.find((line) => PANIC.test(line));
  if (panic !== undefined && !shown.includes(panic)) shown.push("[...]", panic);
  return { reason, excerpt: shown.join("\n") };
}
