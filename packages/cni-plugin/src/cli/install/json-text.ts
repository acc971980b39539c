/** Where a value stands in a JSON text: from its first character to behind its last. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/** A value inside an array or object; one of an object has a key. */
export interface Child extends Place {
  readonly key?: string;
}

/** Where the whole value of a JSON text stands. The text must be valid JSON, here and below. */
export function rootOf(text: string): Place {
  const start = skipSpace(text, 0);
  return { start, end: valueEnd(text, start) };
}

/** The values inside the array or object that stands at a place, in their order; none for any other value. */
export function childrenOf(text: string, { start }: Place): Child[] {
  const open = text[start];
  return open === "{" || open === "[" ? [...children(text, start)] : [];
}

/** The value of a key of an object; the last one where there are several, as JSON.parse and Go's encoding/json have it. */
export function memberOf(text: string, object: Place, key: string): Child | undefined {
  return childrenOf(text, object).findLast((child) => child.key === key);
}

/**
 * The text with one more value at the end of an array or object that is not empty, set apart from the last value as that
 * one is from what stands before it.
 * @param piece gives the new value, or `"key": value`, and is told how far lines are indented where the values stand on
 *   lines of their own
 */
export function append(text: string, container: Place, piece: (layout: Layout) => string): string {
  const last = childrenOf(text, container).at(-1);
  if (!last) throw new RangeError("the array or object is empty");
  const begin = last.key === undefined ? last.start : keyStart(text, container, last);
  const gap = /\s*$/.exec(text.slice(0, begin))![0];
  const inner = text.slice(last.start, last.end);
  const layout = layoutOf(text, gap, inner);
  return `${text.slice(0, last.end)},${gap}${piece(layout)}${text.slice(last.end)}`;
}

/** The text without one of several values of an array, and without what set it apart. */
export function removeElement(text: string, array: Place, index: number): string {
  const elements = childrenOf(text, array);
  const [before, element, after] = [elements[index - 1], elements[index]!, elements[index + 1]];
  if (before) return text.slice(0, before.end) + text.slice(element.end);
  if (after) return text.slice(0, element.start) + text.slice(after.start);
  return text.slice(0, element.start) + text.slice(element.end);
}

/** How values near a place are written. */
export interface Layout {
  /** Whether objects there go over several lines. */
  readonly multiline: boolean;
  /** What ends a line, and the indentation of the one that follows it; "" where all is on one line. */
  readonly newline: string;
  /** What each further level is indented by. */
  readonly unit: string;
  /** Whether there are spaces after colons and commas. */
  readonly spaced: boolean;
  /** Whether there are spaces inside braces. */
  readonly padded: boolean;
}

/** Writes a JSON value as a layout has it. */
export function formatLike(value: unknown, { multiline, newline, unit, spaced, padded }: Layout): string {
  if (multiline) return JSON.stringify(value, null, unit).replaceAll("\n", newline);
  if (!spaced) return JSON.stringify(value);
  // Strings stay as they are.
  return JSON.stringify(value).replace(/"(?:[^"\\]|\\.)*"|[{}:,]/g, (token) => {
    switch (token) {
      case "{":
        return padded ? "{ " : "{";
      case "}":
        return padded ? " }" : "}";
      case ":":
      case ",":
        return `${token} `;
      default:
        return token;
    }
  });
}

function layoutOf(text: string, gap: string, neighbour: string): Layout {
  const newline = /\r?\n[ \t]*$/.exec(gap)?.[0] ?? "";
  const indent = newline.replace(/^\r?\n/, "");
  const deeper = /\n([ \t]+)/.exec(neighbour)?.[1];
  const multiline = newline !== "" && neighbour.includes("\n");
  const step = deeper?.startsWith(indent) ? deeper.slice(indent.length) : "";
  const unit = step === "" ? (indent.startsWith("\t") ? "\t" : "  ") : step;
  return { multiline, newline, unit, spaced: /":\s/.test(text), padded: /^\{\s/.test(neighbour) };
}

function keyStart(text: string, container: Place, child: Child): number {
  let at = skipSpace(text, container.start + 1);
  for (const { start, end } of children(text, container.start)) {
    if (start === child.start) return at;
    at = skipSpace(text, skipSpace(text, end) + 1);
  }
  return at;
}

function* children(text: string, start: number): Generator<Child> {
  const isObject = text[start] === "{";
  let at = skipSpace(text, start + 1);
  while (text[at] !== "}" && text[at] !== "]") {
    let key: string | undefined;
    if (isObject) {
      const end = match(/"(?:[^"\\]|\\.)*"/y, text, at);
      key = JSON.parse(text.slice(at, end)) as string;
      at = skipSpace(text, skipSpace(text, end) + 1);
    }
    const end = valueEnd(text, at);
    yield { start: at, end, ...(key === undefined ? {} : { key }) };
    at = skipSpace(text, end);
    if (text[at] === ",") at = skipSpace(text, at + 1);
  }
}

function valueEnd(text: string, start: number): number {
  switch (text[start]) {
    case '"':
      return match(/"(?:[^"\\]|\\.)*"/y, text, start);
    case "{":
    case "[": {
      let end = start + 1;
      for (const child of children(text, start)) end = child.end;
      return skipSpace(text, end) + 1;
    }
    default:
      return match(/[^\s,\]}]+/y, text, start);
  }
}

function skipSpace(text: string, at: number): number {
  return match(/\s*/y, text, at);
}

function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  if (!pattern.test(text)) throw new SyntaxError(`no JSON value at character ${at}`);
  return pattern.lastIndex;
}
