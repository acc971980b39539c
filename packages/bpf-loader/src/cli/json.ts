/**
 * A value as JSON, two spaces a level. What JSON has no form for: a bigint is a number where a double keeps it, else a
 * string of digits; bytes are a string of hexadecimal digits; NaN and the infinities are strings.
 */
export function toJson(value: unknown): string {
  return JSON.stringify(prepare(value), null, 2);
}

function prepare(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(prepare);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, prepare(item)]));
}
