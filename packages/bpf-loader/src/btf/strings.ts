import { BtfError } from "./error.js";

/** Longest name that is decoded; the kernel takes identifiers of up to 511 bytes, source lines are longer. */
const MAX_NAME = 4096;
/**
 * So many bytes of strings are decoded at once, and strings are cut out of them: many times faster than one by one, and
 * strings that share their tails share their memory too.
 */
const PAGE = 1 << 16;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The strings of a BTF blob, NUL-terminated one after the other; those of a split blob follow its base's. */
export class BtfStrings {
  readonly #bytes: Uint8Array;
  /** The offset of the first string of this blob. */
  readonly #first: number;
  /** Where an offset of 0 would lie in `#bytes`. */
  readonly #origin: number;
  readonly #base: BtfStrings | undefined;
  /** The pages that somebody asked for; null for one in which a character takes several bytes. */
  readonly #pages: (string | null | undefined)[] = [];
  /** What cannot be cut out of a page, and how many bytes of it may still be decoded. */
  #singles: Map<number, string> | undefined;
  #budget: number;
  /** Bytes of all strings, those of the base included. */
  readonly length: number;

  /** Takes the part of `bytes` from `start` to `end`, which ends with NUL, and the strings before it. */
  constructor(bytes: Uint8Array, start: number, end: number, base?: BtfStrings) {
    this.#bytes = bytes;
    this.#base = base;
    this.#first = base?.length ?? 0;
    this.#origin = start - this.#first;
    this.length = this.#first + end - start;
    this.#budget = 8 * (end - start);
  }

  /** The string at an offset. Throws {@link BtfError} if there is none, or one too long for a name. */
  at(offset: number): string {
    if (offset === 0) return "";
    if (this.#base && offset < this.#first) return this.#base.at(offset);
    if (!(offset > 0 && offset < this.length))
      throw new BtfError("BTF_RANGE", `there is no string at ${offset}`);
    const place = offset - this.#first;
    const text = this.#page(Math.floor(place / PAGE));
    const from = place % PAGE;
    const end = text === null ? -1 : text.indexOf("\0", from);
    if (text === null || end === -1) return this.#single(offset);
    if (end - from > MAX_NAME) throw tooLong(offset);
    return text.slice(from, end);
  }

  /** Copies the bytes of the string at an offset, with its NUL, as far as there is room for them; their number. */
  copy(offset: number, target: Uint8Array, at: number): number {
    if (this.#base && offset < this.#first) return this.#base.copy(offset, target, at);
    if (!(offset >= 0 && offset < this.length))
      throw new BtfError("BTF_RANGE", `there is no string at ${offset}`);
    const bytes = this.#bytes;
    const start = this.#origin + offset;
    let length = 0;
    for (let byte = bytes[start]!; byte !== 0; byte = bytes[start + length]!) {
      if (at + length < target.length) target[at + length] = byte;
      if (++length > MAX_NAME) throw tooLong(offset);
    }
    if (at + length < target.length) target[at + length] = 0;
    return length + 1;
  }

  #page(number: number): string | null {
    let page = this.#pages[number];
    if (page === undefined) {
      const start = this.#origin + this.#first;
      const end = start + this.length - this.#first;
      const bytes = this.#bytes.subarray(start + number * PAGE, Math.min(end, start + (number + 1) * PAGE));
      const text = decoder.decode(bytes);
      // UTF-8 has fewer characters than bytes wherever a character takes more than one.
      page = text.length === bytes.length ? text : null;
      this.#pages[number] = page;
    }
    return page;
  }

  /** A string that goes on in the next page, or that is not ASCII. */
  #single(offset: number): string {
    const known = this.#singles?.get(offset);
    if (known !== undefined) return known;
    const start = this.#origin + offset;
    const bytes = this.#bytes.subarray(start, start + MAX_NAME + 1);
    const length = bytes.indexOf(0);
    if (length === -1) throw tooLong(offset);
    this.#budget -= length;
    if (this.#budget < 0)
      throw new BtfError("BTF_LIMIT", `the strings of this BTF overlap without bound, at ${offset}`);
    const text = decoder.decode(bytes.subarray(0, length));
    this.#singles ??= new Map();
    this.#singles.set(offset, text);
    return text;
  }

  /** Whether the string at an offset, which is valid, is that one. */
  equals(offset: number, wanted: Uint8Array): boolean {
    if (this.#base && offset < this.#first) return this.#base.equals(offset, wanted);
    const start = this.#origin + offset;
    for (let i = 0; i < wanted.length; i++) if (this.#bytes[start + i] !== wanted[i]) return false;
    return this.#bytes[start + wanted.length] === 0;
  }

  /** Whether the string at an offset, which is valid, is that one but for a flavour: `name` or `name___flavour`. */
  equalsEssentially(offset: number, wanted: Uint8Array): boolean {
    if (this.#base && offset < this.#first) return this.#base.equalsEssentially(offset, wanted);
    const bytes = this.#bytes;
    const start = this.#origin + offset;
    for (let i = 0; i < wanted.length; i++) if (bytes[start + i] !== wanted[i]) return false;
    const end = start + wanted.length;
    if (bytes[end] === 0) return true;
    return bytes[end] === UNDERSCORE && essentialEnd(bytes, start, bytes.indexOf(0, end)) === end;
  }

  /** A hash of the string at an offset, which is valid, without its flavour. */
  hash(offset: number): number {
    if (this.#base && offset < this.#first) return this.#base.hash(offset);
    const bytes = this.#bytes;
    const start = this.#origin + offset;
    let hash = HASH_SEED;
    let at = start;
    let underscores = 0;
    for (let byte = bytes[at]!; byte !== 0; byte = bytes[++at]!) {
      if (byte === UNDERSCORE) underscores++;
      else if (underscores < 3) underscores = 0;
      hash = hashByte(hash, byte);
    }
    if (underscores < 3) return hash >>> 0;
    return hashOf(bytes.subarray(start, essentialEnd(bytes, start, at)));
  }
}

function tooLong(offset: number): BtfError {
  return new BtfError("BTF_LIMIT", `the string at ${offset} is longer than ${MAX_NAME} bytes`);
}

const UNDERSCORE = 0x5f;
const HASH_SEED = 0x811c_9dc5;

function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x0100_0193);
}

/** The hash that {@link BtfStrings.hash} gives a string. */
export function hashOf(bytes: Uint8Array): number {
  let hash = HASH_SEED;
  for (let i = 0; i < bytes.length; i++) hash = hashByte(hash, bytes[i]!);
  return hash >>> 0;
}

/** A name as bytes. */
export function nameBytes(name: string): Uint8Array {
  return encoder.encode(name);
}

/** A name without its flavour: `task_struct` of `task_struct___old`. */
export function essentialName(name: string): string {
  return name.includes("___") ? (/^(.*[^_])___[^_]/s.exec(name)?.[1] ?? name) : name;
}

/** Where a name ends without its flavour: at the last "___" that stands between two other characters (bpf_core_essential_name_len of libbpf). */
export function essentialEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = end - 5; at >= start; at--) {
    if (
      bytes[at] !== UNDERSCORE &&
      bytes[at + 1] === UNDERSCORE &&
      bytes[at + 2] === UNDERSCORE &&
      bytes[at + 3] === UNDERSCORE &&
      bytes[at + 4] !== UNDERSCORE
    ) {
      return at + 1;
    }
  }
  return end;
}
