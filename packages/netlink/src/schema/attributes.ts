import { decodePlain, type Entry, entryOf } from "./attribute-entry.js";
import {
  decodeOne,
  inOrder,
  keep,
  order,
  type Quirk,
  type Quirks,
  quirks,
  type UnknownAttribute,
} from "./attribute-values.js";
import { type Input, littleEndian, type Output } from "./bytes.js";
import { type Codec, type Decoded, type Encodable, lazy, type Scope } from "./codec.js";
import { NetlinkDecodeError, NetlinkEncodeError } from "./errors.js";
import { endAttribute, ATTRIBUTE_HEADER as HEADER, NLA_F_NESTED, NLA_TYPE_MASK, put, walk } from "./tlv.js";

export type { UnknownAttribute } from "./attribute-values.js";

// Schemas may be recursive (a veth's peer is a link again): the bytes must not decide how deep we go.
const MAX_DEPTH = 24;

/** One attribute: its number, the constant that names the number in the kernel's headers, and its payload. */
export type Declaration = readonly [id: number, constant: string, codec: Codec<unknown, never>];
/** The attributes of a set by name, in the order in which they are written. */
export type Declarations = Readonly<Record<string, Declaration>>;

/** What an attribute set decodes to. All attributes are optional: which ones are there, the kernel decides. */
export type AttributesOf<D extends Declarations> = { -readonly [K in keyof D]?: Decoded<D[K][2]> } & {
  /** What this schema does not know, in order. */
  unknown?: UnknownAttribute[];
};
/** What an attribute set encodes from, in the order of the object's own properties. */
export type AttributesInput<D extends Declarations> = {
  readonly [K in keyof D]?: Encodable<D[K][2]> | undefined;
} & { readonly unknown?: readonly UnknownAttribute[] | undefined };

/** An attribute whose selector has not come yet. */
interface Postponed {
  readonly entry: Entry;
  readonly type: number;
  readonly from: number;
  readonly to: number;
  readonly position: number;
}

/** What decoding and encoding look up. */
interface Tables {
  readonly byId: (Entry | undefined)[];
  readonly byName: Map<string, Entry>;
  /** Whether a codec among them looks at its surroundings. */
  readonly scoped: boolean;
}

/** A set of attributes: the declaration that gives their decoder, their encoder and their static types. */
export class AttributeSet<const D extends Declarations>
  implements Codec<AttributesOf<D>, AttributesInput<D>>
{
  readonly nests = true;
  /** What was declared. */
  readonly declarations: D;
  #tables: Tables | undefined;

  constructor(declarations: D) {
    this.declarations = declarations;
  }

  decode(input: Input, start: number, end: number, outer?: Scope): AttributesOf<D> | undefined {
    const values: Record<string, unknown> = {};
    const depth = outer === undefined ? 1 : outer.depth + 1;
    if (depth > MAX_DEPTH) return undefined;
    const { byId, scoped } = this.#lookUp();
    const scope: Scope | undefined = scoped ? { values, parent: outer, depth } : undefined;
    const { view } = input;
    let postponed: Postponed[] | undefined;
    let at = start;
    let position = 0;
    let last: Entry | undefined;
    let interleaved = false;
    // Which entries have come, by their place among the declarations.
    let seen0 = 0;
    let seen1 = 0;
    let seen2 = 0;
    for (; at + HEADER <= end; position++) {
      const length = view.getUint16(at, littleEndian);
      const type = view.getUint16(at + 2, littleEndian);
      const from = at + HEADER;
      const to = at + length;
      if (length < HEADER || to > end) throw this.#malformed(length, type, at, end);
      at = (to + 3) & ~3;
      const entry = byId[type & NLA_TYPE_MASK];
      if (entry === undefined) {
        last = undefined;
        keep(values, { type, bytes: input.bytes.slice(from, to), position });
        continue;
      }
      const bit = 1 << (entry.place & 31);
      let again: boolean;
      if (entry.place < 32) {
        again = (seen0 & bit) !== 0;
        seen0 |= bit;
      } else if (entry.place < 64) {
        again = (seen1 & bit) !== 0;
        seen1 |= bit;
      } else {
        again = (seen2 & bit) !== 0;
        seen2 |= bit;
      }
      if (entry.plain && !again && type === entry.type) {
        last = entry;
        const value = decodePlain(entry, input, from, to, scope);
        if (value !== undefined) {
          values[entry.name] = value;
          continue;
        }
      }
      if (again && entry.repeats && entry !== last && values[entry.name] !== undefined) interleaved = true;
      last = entry;
      if (again && postponed?.some((one) => one.entry === entry)) {
        // The first one counts, which is decoded later.
        keep(values, { type, bytes: input.bytes.slice(from, to), position });
      } else if (entry.subMessage && !entry.subMessage.ready(values, outer)) {
        // Its selector may come later. The key is made now, so that the order stays.
        values[entry.name] = undefined;
        postponed ??= [];
        postponed.push({ entry, type, from, to, position });
      } else {
        decodeOne(entry, type, input, from, to, position, values, scope);
      }
    }
    if (at < end) throw new NetlinkDecodeError(`${end - at} stray bytes after the last attribute`, at);
    if (postponed)
      for (const { entry, type, from, to, position } of postponed) {
        decodeOne(entry, type, input, from, to, position, values, scope);
        if (values[entry.name] === undefined) delete values[entry.name];
      }
    if (interleaved) {
      const kept = new Set((values.unknown as UnknownAttribute[] | undefined)?.map((one) => one.position));
      const names = Array.from(walk(input, start, end), ({ type }) => byId[type & NLA_TYPE_MASK]?.name);
      (values as { [order]?: string[] })[order] = names.filter(
        (name, place): name is string => name !== undefined && !kept.has(place),
      );
    }
    return values as AttributesOf<D>;
  }

  encode(output: Output, value: AttributesInput<D>, outer?: Scope): void {
    const values = value as Readonly<Record<string, unknown>>;
    const scope: Scope = { values, parent: outer, depth: (outer?.depth ?? 0) + 1 };
    if (scope.depth > MAX_DEPTH) throw new NetlinkEncodeError("attributes nested too deeply");
    const unknown = (values.unknown ?? NONE) as readonly UnknownAttribute[];
    const odd = (values as { [quirks]?: Quirks })[quirks];
    const given = (values as { [order]?: string[] })[order];
    if (odd === undefined && given === undefined && unknown.length === 0) {
      this.#encodePlain(output, values, scope);
      return;
    }
    let position = 0;
    let next = 0;
    const passUnknown = () => {
      for (; next < unknown.length && (unknown[next] as UnknownAttribute).position <= position; next++) {
        const { type, bytes } = unknown[next] as UnknownAttribute;
        put(output, type, () => output.append(bytes));
        position++;
      }
    };
    const putOne = (entry: Entry, value: unknown, quirk: Quirk | undefined) => {
      passUnknown();
      const type = quirk?.type ?? entry.type;
      if (quirk?.bytes) put(output, type, () => output.append(quirk.bytes as Uint8Array));
      else put(output, type, () => entry.codec.encode(output, value as never, scope));
      position++;
    };
    for (const name of given
      ? inOrder(values, given, (key) => this.#lookUp().byName.get(key)?.codec.repeats === true)
      : Object.keys(values)) {
      const [key, at] = typeof name === "string" ? [name, undefined] : name;
      const one = values[key];
      if (one === undefined || key === "unknown") continue;
      const entry = this.#lookUp().byName.get(key);
      if (!entry) throw new NetlinkEncodeError(`there is no attribute "${key}"`);
      const quirk = odd && Object.hasOwn(odd, key) ? odd[key] : undefined;
      try {
        if (entry.codec.repeats) {
          const odds = quirk && "list" in quirk && quirk.list === one ? quirk.elements : undefined;
          const elements = one as unknown[];
          for (let index = at ?? 0; index < (at === undefined ? elements.length : at + 1); index++) {
            const element = elements[index];
            putOne(entry, element, odds?.[index]?.value === element ? odds?.[index] : undefined);
          }
        } else {
          const mine = quirk && "value" in quirk && quirk.value === one ? quirk : undefined;
          if (mine || !entry.codec.omits?.(one)) putOne(entry, one, mine);
        }
      } catch (error) {
        throw error instanceof NetlinkEncodeError ? error.within(key) : error;
      }
    }
    for (; next < unknown.length; next++) {
      const { type, bytes } = unknown[next] as UnknownAttribute;
      put(output, type, () => output.append(bytes));
    }
  }

  /** Values that were not decoded, or as they commonly are: this is where most requests are written. */
  #encodePlain(output: Output, values: Readonly<Record<string, unknown>>, scope: Scope): void {
    const { byName } = this.#lookUp();
    let name = "";
    try {
      for (name of Object.keys(values)) {
        const one = values[name];
        if (one === undefined || name === "unknown") continue;
        const entry = byName.get(name);
        if (entry === undefined) {
          const reason = `there is no attribute "${name}"`;
          name = "";
          throw new NetlinkEncodeError(reason);
        }
        if (entry.repeats)
          for (const element of one as unknown[]) putValue(output, entry, element as never, scope);
        else if (!entry.codec.omits?.(one)) putValue(output, entry, one as never, scope);
      }
    } catch (error) {
      throw error instanceof NetlinkEncodeError && name !== "" ? error.within(name) : error;
    }
  }

  locate(input: Input, start: number, end: number, offset: number, outer?: Scope): string[] {
    const scope = this.#scopeOf(input, start, end, outer);
    for (const { at, from, to, type } of walk(input, start, end)) {
      if (offset < at || offset >= to) continue;
      const entry = this.#lookUp().byId[type & NLA_TYPE_MASK];
      if (!entry) return [`#${type & NLA_TYPE_MASK}`];
      const below = offset < from ? [] : (entry.codec.locate?.(input, from, to, offset, scope) ?? []);
      return [entry.name, ...below];
    }
    return [];
  }

  nameWithin(
    input: Input,
    start: number,
    end: number,
    nest: number,
    type: number,
    outer?: Scope,
  ): string[] | undefined {
    if (nest === start) return [this.#lookUp().byId[type & NLA_TYPE_MASK]?.name ?? `#${type}`];
    const scope = this.#scopeOf(input, start, end, outer);
    for (const { at, from, to, type: inner } of walk(input, start, end)) {
      if (nest < at || nest >= Math.max(to, from + 1)) continue;
      const entry = this.#lookUp().byId[inner & NLA_TYPE_MASK];
      if (!entry) return [`#${inner & NLA_TYPE_MASK}`, `#${type}`];
      // The kernel points at the nest's own header; its payload is where our search goes on.
      const below = entry.codec.nameWithin?.(input, from, to, nest === at ? from : nest, type, scope);
      return [entry.name, ...(below ?? [`#${type}`])];
    }
    return undefined;
  }

  #scopeOf(input: Input, start: number, end: number, outer: Scope | undefined): Scope {
    let values: Record<string, unknown> = {};
    try {
      values = this.decode(input, start, end, outer) ?? {};
    } catch {
      // Only a name is wanted: what cannot be decoded goes without.
    }
    return { values, parent: outer, depth: (outer?.depth ?? 0) + 1 };
  }

  /** Made at the first use: a process uses few of the many sets that it declares. */
  #lookUp(): Tables {
    if (this.#tables) return this.#tables;
    const byId: (Entry | undefined)[] = [];
    const byName = new Map<string, Entry>();
    for (const [name, [id, , codec]] of Object.entries(this.declarations)) {
      const entry = entryOf(name, id, codec, byName.size);
      byId[id] = entry;
      byName.set(name, entry);
    }
    // An array without holes is quicker to read.
    for (let id = 0; id < byId.length; id++) byId[id] ??= undefined;
    this.#tables = { byId, byName, scoped: [...byName.values()].some((entry) => entry.codec.nests) };
    return this.#tables;
  }

  #malformed(length: number, type: number, at: number, end: number): NetlinkDecodeError {
    const name = this.#lookUp().byId[type & NLA_TYPE_MASK]?.name ?? `#${type & NLA_TYPE_MASK}`;
    return new NetlinkDecodeError(
      length < HEADER
        ? `attribute ${name} claims a length of ${length}`
        : `attribute ${name} claims ${length} bytes where ${end - at} are left`,
      at,
    );
  }
}

const NONE: readonly UnknownAttribute[] = [];

/** As `put`, without a closure. */
function putValue(output: Output, entry: Entry, value: never, scope: Scope): void {
  const start = output.reserve(HEADER);
  entry.codec.encode(output, value, scope);
  endAttribute(output, start, entry.type);
}

/**
 * Declares a set of attributes.
 * @param declarations for each attribute its number, its constant in the kernel's headers, and its payload
 */
export function attributes<const D extends Declarations>(declarations: D): AttributeSet<D> {
  return new AttributeSet(declarations);
}

/** Attributes within an attribute whose type carries NLA_F_NESTED. A set alone is a nest without that flag. */
export function flagged<Out, In>(codec: Codec<Out, In>): Codec<Out, In> {
  return {
    ...lazy(() => codec),
    typeFlags: NLA_F_NESTED,
  };
}

/** An attribute that occurs once for each element: an array. */
export function repeated<Out, In>(codec: Codec<Out, In>): Codec<Out[], readonly In[]> {
  return {
    ...lazy(() => codec),
    nests: codec.nests ?? false,
    repeats: true,
    ...(codec.typeFlags === undefined ? {} : { typeFlags: codec.typeFlags }),
    ...(codec.exact === undefined ? {} : { exact: codec.exact }),
  } as unknown as Codec<Out[], readonly In[]>;
}
