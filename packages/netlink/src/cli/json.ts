const TYPE_MASK = 0x3fff;

/**
 * A value as JSON. What JSON has no form for: a bigint is a number where a double keeps it, else a string of digits;
 * bytes are a string of hexadecimal digits. Attributes without a name, which stand in lists called "unknown", also have
 * their number without the flags that are part of `type`.
 * @param indent spaces a level; 0 for all on one line
 */
export function toJson(value: unknown, indent = 2): string {
  return JSON.stringify(prepare(value), null, indent);
}

/** What stays as it is, is not copied: tables are long. */
function prepare(value: unknown, key?: string): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) {
    const items = value.map((item) => prepare(item));
    return key === "unknown" ? items.map(numbered) : items;
  }
  const object = value as Readonly<Record<string, unknown>>;
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(object)) {
    const prepared = prepare(object[name], name);
    if (prepared === object[name]) continue;
    copy ??= { ...object };
    copy[name] = prepared;
  }
  return copy ?? object;
}

function numbered(item: unknown): unknown {
  const { type } = (item ?? {}) as { readonly type?: unknown };
  return typeof type === "number" ? { number: type & TYPE_MASK, ...(item as object) } : item;
}
