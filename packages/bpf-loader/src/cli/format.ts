/** A value of a variable as one line: JSON's form where it has one, bytes as hexadecimal or as a string, at most 60 characters. */
export function formatValue(value: unknown): string {
  const text = format(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function format(value: unknown): string {
  if (value instanceof Uint8Array) return formatBytes(value);
  if (Array.isArray(value)) return `[${value.map(format).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{ ${Object.entries(value)
    .map(([key, item]) => `${key}: ${format(item)}`)
    .join(", ")} }`;
}

/** Printable characters with nothing but zeros behind them are a string; the rest are digits. */
function formatBytes(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = bytes.subarray(0, end === -1 ? bytes.length : end);
  const rest = bytes.subarray(text.length);
  const readable = text.length > 0 && text.every((byte) => byte >= 0x20 && byte < 0x7f);
  if (readable && rest.every((byte) => byte === 0))
    return JSON.stringify(Buffer.from(text).toString("latin1"));
  return bytes.length === 0 ? '""' : Buffer.from(bytes.subarray(0, 32)).toString("hex");
}
