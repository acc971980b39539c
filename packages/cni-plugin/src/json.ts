/**
 * JSON whose numbers keep their text. `JSON.parse` rounds integers above 2^53, while rates and bursts are uint64 and
 * a chained plugin has to hand on every byte of meaning in the result before it.
 */

/** A number that a double would not give back as it was written, such as 18446744073709551615 or 1.50. */
export class JsonNumber {
  /** The number as it stands in the document. */
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Any JSON value. Numbers that a double keeps are numbers, others are {@link JsonNumber}. */
export type Json = null | boolean | number | string | JsonNumber | Json[] | JsonObject;
/** A JSON object. */
export type JsonObject = { [key: string]: Json };

/** What {@link stringifyJson} takes: JSON values and, beside them, bigints (written as digits) and undefined (left out). */
export type Printable =
  | Json
  | bigint
  | undefined
  | readonly Printable[]
  | { readonly [key: string]: Printable };

const MAX_DEPTH = 1000;
const token = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[[{]|[\]}]/g;

/**
 * Parses a JSON document.
 * @throws SyntaxError that says where the document goes wrong, or that it nests more than 1000 levels deep
 */
export function parseJson(text: string): Json {
  const plain = JSON.parse(text) as Json;
  // Every number that needs care becomes an object under a key that no document can foresee, then a JsonNumber.
  const mark = `number ${Math.random()}`;
  let depth = 0;
  let marked = false;
  const rewritten = text.replace(token, (found) => {
    const first = found[0]!;
    if (first === '"') return found;
    if (first === "[" || first === "{") {
      if (++depth > MAX_DEPTH) throw new SyntaxError(`it nests more than ${MAX_DEPTH} levels deep`);
      return found;
    }
    if (first === "]" || first === "}") {
      depth--;
      return found;
    }
    if (String(Number(found)) === found) return found;
    marked = true;
    return `{"${mark}":"${found}"}`;
  });
  if (!marked) return plain;
  return JSON.parse(rewritten, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, mark)) return value;
    return new JsonNumber((value as Record<string, string>)[mark]!);
  }) as Json;
}

/**
 * Writes a value as JSON.
 * @param indent spaces per level; none gives one line
 */
export function stringifyJson(value: Printable, indent = 0): string {
  return write(value, indent, indent === 0 ? "" : "\n");
}

function write(value: Printable, indent: number, lineStart: string): string {
  if (value instanceof JsonNumber) return value.text;
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const inner = lineStart === "" ? "" : lineStart + " ".repeat(indent);
  const colon = lineStart === "" ? ":" : ": ";
  const list = Array.isArray(value);
  const parts = list
    ? (value as readonly Printable[]).map((item) => write(item, indent, inner))
    : Object.entries(value as Record<string, Printable>)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => `${JSON.stringify(key)}${colon}${write(item, indent, inner)}`);
  const [open, close] = list ? "[]" : "{}";
  if (parts.length === 0) return `${open}${close}`;
  return `${open}${inner}${parts.join(`,${inner}`)}${lineStart}${close}`;
}

/** Whether a value is a JSON object: no array, no null, no number. */
export function isObject(value: Json | undefined): value is JsonObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber)
  );
}

/**
 * The field of an object as Go's encoding/json finds it, on which runtimes rely: the case of ASCII letters does not
 * matter, the last of several wins, and null counts as absent.
 */
export function field(object: JsonObject, name: string): Json | undefined {
  const wanted = name.toLowerCase();
  let found: Json | undefined;
  for (const [key, value] of Object.entries(object)) {
    if (value !== null && (key === name || key.toLowerCase() === wanted)) found = value;
  }
  return found;
}
