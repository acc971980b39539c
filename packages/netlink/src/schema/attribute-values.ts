import { decodeWithin, type Entry } from "./attribute-entry.js";
import type { Input } from "./bytes.js";
import type { Scope } from "./codec.js";
import { NLA_TYPE_MASK } from "./tlv.js";

/** An attribute that the schema does not know, or whose payload does not fit its declaration. */
export interface UnknownAttribute {
  /** nla_type with its flags. */
  readonly type: number;
  /** A copy of the payload. */
  readonly bytes: Uint8Array;
  /** How many attributes of the same set stood before it: encoding puts it there again. */
  readonly position: number;
}

/**
 * Attributes whose bytes differ from what encoding their value would give (a string without its NUL, a nest with
 * or without its flag), by name. They encode to the same bytes as long as their value is the same.
 */
export const quirks: unique symbol = Symbol("quirks");

/** An attribute as it stood, and the value that it had then. */
export interface Quirk {
  readonly type: number;
  readonly value: unknown;
  readonly bytes: Uint8Array | undefined;
}
/** By name; of a repeated attribute by the element's place. */
export type Quirks = Record<
  string,
  Quirk | { readonly list: unknown; readonly elements: (Quirk | undefined)[] }
>;

/** Where the elements of a repeated attribute do not stand together: the names of all attributes in their order. */
export const order: unique symbol = Symbol("order");

/** Keeps an attribute that is not known, or does not fit its declaration. */
export function keep(values: Record<string, unknown>, attribute: UnknownAttribute): void {
  const unknown = values.unknown as UnknownAttribute[] | undefined;
  if (!unknown) values.unknown = [attribute];
  else if (attribute.position > (unknown.at(-1) as UnknownAttribute).position) unknown.push(attribute);
  // A postponed attribute comes late: the list stays in order of the positions.
  else
    unknown.splice(
      unknown.findIndex(({ position }) => position > attribute.position),
      0,
      attribute,
    );
}

/** Decodes an attribute into the values, and remembers what encoding it would write otherwise. */
export function decodeOne(
  entry: Entry,
  type: number,
  input: Input,
  from: number,
  to: number,
  position: number,
  values: Record<string, unknown>,
  scope: Scope | undefined,
): void {
  const { codec, name, repeats } = entry;
  const value = decodeWithin(entry, input, from, to, scope);
  const before = values[name];
  if (value === undefined || (before !== undefined && !repeats)) {
    keep(values, { type, bytes: input.bytes.slice(from, to), position });
    return;
  }
  if (!repeats) values[name] = value;
  else if (before === undefined) values[name] = [value];
  else (before as unknown[]).push(value);
  const exact = codec.exact === undefined || codec.exact(input, from, to);
  if ((type & ~NLA_TYPE_MASK) === entry.typeFlags && exact) return;
  const holder = values as { [quirks]?: Quirks };
  holder[quirks] ??= {};
  const quirk = { type, value, bytes: exact ? undefined : input.bytes.slice(from, to) };
  if (!repeats) {
    holder[quirks][name] = quirk;
    return;
  }
  const list = values[name] as unknown[];
  const odd = holder[quirks][name];
  const elements = odd && "elements" in odd ? odd.elements : [];
  elements[list.length - 1] = quirk;
  holder[quirks][name] = { list, elements };
}

/** The attributes' names as they stood; of a repeated one with the element's place. What is new comes at the end. */
export function inOrder(
  values: Readonly<Record<string, unknown>>,
  given: readonly string[],
  repeats: (name: string) => boolean,
): (string | [name: string, index: number])[] {
  const places = new Map<string, number>();
  const names: (string | [string, number])[] = [];
  for (const name of given) {
    const value = values[name];
    const place = places.get(name) ?? 0;
    const many = repeats(name) && Array.isArray(value);
    if (value === undefined || place >= (many ? value.length : 1)) continue;
    places.set(name, place + 1);
    names.push(many ? [name, place] : name);
  }
  for (const name of Object.keys(values)) {
    const value = values[name];
    const place = places.get(name);
    if (place === undefined) names.push(name);
    else if (repeats(name) && Array.isArray(value))
      for (let index = place; index < value.length; index++) names.push([name, index]);
  }
  return names;
}
