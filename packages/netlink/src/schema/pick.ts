import { decodeAny, type Entry, entryOf } from "./attribute-entry.js";
import type { AttributeSet, Declarations } from "./attributes.js";
import { type Input, littleEndian } from "./bytes.js";
import type { Codec, Decoded, Scope } from "./codec.js";
import { NetlinkDecodeError } from "./errors.js";
import { ATTRIBUTE_HEADER as HEADER, NLA_TYPE_MASK } from "./tlv.js";

/** Reads an attribute otherwise than it is declared: see {@link Pick}. */
type Readers = Readonly<Record<string, Reader<unknown>>>;
/** The part of a codec that decodes. */
type Reader<Out> = Codec<Out, never>;

/** The value of a picked attribute; undefined where there is none. */
export type PickedValue<P, Name> =
  P extends Pick<infer D, infer N, infer R>
    ? Name extends N[number]
      ? (Name extends keyof R ? Decoded<R[Name]> : Decoded<D[Name][2]>) | undefined
      : never
    : never;

/**
 * Some attributes of a set, without the others: where few of many are wanted, this takes a fraction of the time. What
 * does not fit its declaration is as if it were not there; of several the first counts.
 */
export class Pick<
  const D extends Declarations,
  const N extends readonly (keyof D & string)[],
  const R extends Readers,
> {
  readonly #set: AttributeSet<D>;
  readonly #names: N;
  readonly #readers: R;
  #made: Tables | undefined;

  /**
   * @param names attributes that occur once and do not depend on their siblings
   * @param readers how to read some of them in place of what is declared
   */
  constructor(set: AttributeSet<D>, names: N, readers: R) {
    this.#set = set;
    this.#names = names;
    this.#readers = readers;
  }

  /** Where an attribute is among the names: its place among the values. */
  place(name: N[number]): number {
    return this.#names.indexOf(name);
  }

  /**
   * The values in bytes `start` to `end`, in the order of the names.
   * @throws NetlinkDecodeError where the bytes are not well formed
   */
  decode(input: Input, start: number, end: number): unknown[] {
    const { byId, none } = this.#tables;
    const values: unknown[] = none.slice();
    const { view } = input;
    let at = start;
    while (at + HEADER <= end) {
      const length = view.getUint16(at, littleEndian);
      const to = at + length;
      if (length < HEADER || to > end) throw malformed(length, at, end);
      const entry = byId[view.getUint16(at + 2, littleEndian) & NLA_TYPE_MASK];
      if (entry !== undefined && values[entry.place] === undefined)
        values[entry.place] = decodeAny(entry, input, at + HEADER, to, TOP);
      at = (to + 3) & ~3;
    }
    if (at < end) throw new NetlinkDecodeError(`${end - at} stray bytes after the last attribute`, at);
    return values;
  }

  /** The value of one of them alone, by its place. */
  find(input: Input, start: number, end: number, place: number): unknown {
    const entry = this.#tables.entries[place] as Entry;
    const { view } = input;
    for (let at = start; at + HEADER <= end; ) {
      const length = view.getUint16(at, littleEndian);
      if (length < HEADER || at + length > end) throw malformed(length, at, end);
      if ((view.getUint16(at + 2, littleEndian) & NLA_TYPE_MASK) === entry.id) {
        const value = decodeAny(entry, input, at + HEADER, at + length, TOP);
        if (value !== undefined) return value;
      }
      at = (at + length + 3) & ~3;
    }
    return undefined;
  }

  /** Made at the first use: a process uses few of what is declared. */
  get #tables(): Tables {
    if (this.#made) return this.#made;
    const entries = this.#names.map((name, place) => {
      const [id, , declared] = this.#set.declarations[name] as D[string];
      return entryOf(name, id, this.#readers[name] ?? declared, place);
    });
    // An array without holes is quicker to read.
    const byId = new Array<Entry | undefined>(Math.max(...entries.map(({ id }) => id)) + 1).fill(undefined);
    for (const entry of entries) byId[entry.id] = entry;
    this.#made = { entries, byId, none: entries.map(() => undefined) };
    return this.#made;
  }
}

interface Tables {
  /** In the order of the names. */
  readonly entries: readonly Entry[];
  readonly byId: readonly (Entry | undefined)[];
  readonly none: readonly undefined[];
}

/** One attribute of a nest, without the others. */
export function only<D extends Declarations, const Name extends keyof D & string>(
  set: AttributeSet<D>,
  name: Name,
): Reader<Decoded<D[Name][2]>>;
/** @param reader how to read it in place of what is declared */
export function only<D extends Declarations, Out>(
  set: AttributeSet<D>,
  name: keyof D & string,
  reader: Reader<Out>,
): Reader<Out>;
export function only<D extends Declarations, Out>(
  set: AttributeSet<D>,
  name: keyof D & string,
  reader?: Reader<Out>,
): Reader<Out> {
  const [id, , declared] = set.declarations[name] as D[string];
  const codec = (reader ?? declared) as Reader<Out>;
  return {
    decode: (input, start, end, scope) => {
      const { view } = input;
      for (let at = start; at + HEADER <= end; ) {
        const length = view.getUint16(at, littleEndian);
        if (length < HEADER || at + length > end) throw malformed(length, at, end);
        if ((view.getUint16(at + 2, littleEndian) & NLA_TYPE_MASK) === id)
          return codec.decode(input, at + HEADER, at + length, scope);
        at = (at + length + 3) & ~3;
      }
      return undefined;
    },
    encode: () => {},
  };
}

const TOP: Scope = { values: {}, parent: undefined, depth: 1 };

function malformed(length: number, at: number, end: number): NetlinkDecodeError {
  return new NetlinkDecodeError(`an attribute claims ${length} bytes where ${end - at} are left`, at);
}
