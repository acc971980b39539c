import { ElfFile } from "@weir/elf";
import { decodeType } from "./decode.js";
import { BtfError } from "./error.js";
import { type BtfLayout, kindOf, readLayout, wordsIn } from "./layout.js";
import { NameIndex } from "./name-index.js";
import { BtfStrings, nameBytes } from "./strings.js";
import { BtfKind, type BtfType, type BtfTypeOf } from "./types.js";

/** How deep typedefs, modifiers and arrays may nest. The kernel's own limit is 32 (MAX_RESOLVE_DEPTH, kernel/bpf/btf.c). */
export const MAX_DEPTH = 32;
/** Decoded types that are kept; a kernel has more than a hundred thousand. */
const MAX_KEPT = 4096;
const VOID: BtfType = { id: 0, kind: "void", name: "" };
const kindNames = Object.keys(BtfKind).map((name) => name.toLowerCase()) as BtfType["kind"][];

/** What {@link Btf.parse} takes besides the bytes. */
export interface BtfParseOptions {
  /** For split BTF, such as a module's: the BTF that it continues. Its ids and strings come first. */
  readonly base?: Btf | undefined;
}

/**
 * Type information in the BPF Type Format. The whole blob is checked when it is parsed; each type is decoded when it
 * is asked for, so that a large blob costs little more than its index: one word for each type, three once several
 * names have been looked for.
 */
export class Btf {
  /** A view of the bytes given, not a copy. */
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  /** The BTF that this one continues; undefined if it stands alone. */
  readonly base: Btf | undefined;
  /** The id of the first type of its own: 1 without a base. */
  readonly firstId: number;
  /** The number of types, those of the base included; ids run from 1 to this, and id 0 is void. */
  readonly typeCount: number;
  readonly #layout: BtfLayout;
  readonly #strings: BtfStrings;
  #names: NameIndex;
  readonly #types = new Map<number, BtfType>();

  private constructor(bytes: Uint8Array, base: Btf | undefined) {
    this.#layout = readLayout(
      bytes,
      base && {
        littleEndian: base.littleEndian,
        typeCount: base.typeCount,
        stringsLength: base.#strings.length,
      },
    );
    const { stringsStart, stringsEnd, firstId, offsets } = this.#layout;
    this.#strings = new BtfStrings(bytes, stringsStart, stringsEnd, base ? base.#strings : undefined);
    this.#names = new NameIndex(this.#layout, this.#strings);
    this.bytes = bytes;
    this.littleEndian = this.#layout.littleEndian;
    this.base = base;
    this.firstId = firstId;
    this.typeCount = firstId + offsets.length - 1;
  }

  /** Reads a `.BTF` section or the contents of a file in /sys/kernel/btf; either byte order. Throws {@link BtfError}. */
  static parse(bytes: Uint8Array, options: BtfParseOptions = {}): Btf {
    return new Btf(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), options.base);
  }

  /**
   * Reads section `.BTF` of an ELF file: a kernel image with its symbols, a module, a BPF object. A module that was
   * built apart from its kernel carries a base of its own (`.BTF.base`, the few types of the kernel that it needs),
   * which is then the base; the one given is for modules without it.
   * @throws ElfError for a file that is malformed, BtfError also for one without the section
   */
  static fromElf(bytes: Uint8Array, options: BtfParseOptions = {}): Btf {
    const elf = ElfFile.parse(bytes);
    const section = elf.section(".BTF");
    if (!section) throw new BtfError("BTF_HEADER", "the ELF file has no section .BTF");
    const base = elf.section(".BTF.base");
    return Btf.parse(section.data, base ? { base: Btf.parse(base.data) } : options);
  }

  /** The type with that id. Throws {@link BtfError} if there is none. */
  type(id: number): BtfType {
    if (id === 0) return VOID;
    if (this.base && id < this.firstId) return this.base.type(id);
    const known = this.#types.get(id);
    if (known) return known;
    const type = decodeType(this.#layout.words, this.#at(id), id, this.#strings);
    if (this.#types.size >= MAX_KEPT) this.#types.clear();
    this.#types.set(id, type);
    return type;
  }

  /** The kind of the type with that id, which is not decoded. Throws {@link BtfError} if there is none. */
  kind(id: number): BtfType["kind"] {
    return kindNames[this.#kind(id)]!;
  }

  /** The name of the type with that id, which is not decoded. Throws {@link BtfError} if there is none. */
  name(id: number): string {
    if (id === 0) return "";
    if (this.base && id < this.firstId) return this.base.name(id);
    return this.#strings.at(this.#layout.words[this.#at(id)]!);
  }

  /** Whether there is any type of that kind. */
  hasKind(kind: BtfType["kind"]): boolean {
    return ((this.#layout.kinds >>> kindNumber(kind)) & 1) === 1 || (this.base?.hasKind(kind) ?? false);
  }

  /** All types by id, those of the base first, void excepted. */
  *types(): IterableIterator<BtfType> {
    for (let id = 1; id <= this.typeCount; id++) yield this.type(id);
  }

  /** All types of a kind by id, those of the base first; the others are not decoded. */
  *typesOf<Kind extends BtfType["kind"]>(kind: Kind): IterableIterator<BtfTypeOf<Kind>> {
    const number = kindNumber(kind);
    if (this.base) yield* this.base.typesOf(kind);
    if (((this.#layout.kinds >>> number) & 1) === 0) return;
    const { words, offsets } = this.#layout;
    for (let i = 0; i < offsets.length; i++) {
      if (kindOf(words[offsets[i]! + 1]!) === number) yield this.type(this.firstId + i) as BtfTypeOf<Kind>;
    }
  }

  /** The first type of that name and kind; one of the base comes before this BTF's own. */
  find<Kind extends BtfType["kind"]>(name: string, kind: Kind): BtfTypeOf<Kind> | undefined {
    const id = this.#ids(nameBytes(name), 1 << kindNumber(kind), true)[0];
    return id === undefined ? undefined : (this.type(id) as BtfTypeOf<Kind>);
  }

  /** The ids of all types of that name, of one kind or of any, in ascending order. */
  ids(name: string, kind?: BtfType["kind"]): number[] {
    const kinds = kind ? 1 << kindNumber(kind) : -1;
    return name === "" ? [] : this.#ids(nameBytes(name), kinds, false);
  }

  /**
   * The ids of the types of that name and of the flavours of it (`name___flavour`), of this BTF alone and not of its
   * base: what CO-RE looks among. `name` is without a flavour.
   */
  ownFlavours(name: string, kinds: readonly BtfType["kind"][]): number[] {
    const bits = kinds.reduce((sum, kind) => sum | (1 << kindNumber(kind)), 0);
    return this.#names.find(nameBytes(name), bits, true, false);
  }

  /** What a type is once typedefs, const, volatile, restrict and type tags are taken off. Throws {@link BtfError}. */
  resolve(id: number): BtfType {
    return this.type(this.resolveId(id));
  }

  /** The id of what {@link resolve} gives. Throws {@link BtfError}. */
  resolveId(id: number): number {
    let at = id;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (((1 << this.#kind(at)) & MODIFIERS) === 0) return at;
      at = this.#word(at, 2);
    }
    throw new BtfError("BTF_DEPTH", `type ${id} is nested more than ${MAX_DEPTH} deep`);
  }

  /** The bytes that a value of the type takes. Throws {@link BtfError} for a type without a size, such as a function. */
  sizeOf(id: number): number {
    let length = 1;
    let at = this.resolveId(id);
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      switch (this.#kind(at)) {
        case BtfKind.INT:
        case BtfKind.STRUCT:
        case BtfKind.UNION:
        case BtfKind.ENUM:
        case BtfKind.ENUM64:
        case BtfKind.FLOAT:
        case BtfKind.DATASEC:
          return checkedSize(id, this.#word(at, 2) * length);
        case BtfKind.PTR:
          return checkedSize(id, 8 * length);
        case BtfKind.ARRAY:
          length = checkedSize(id, length * this.#word(at, 5));
          at = this.resolveId(this.#word(at, 3));
          break;
        case BtfKind.VAR:
          at = this.resolveId(this.#word(at, 2));
          break;
        default:
          throw new BtfError("BTF_KIND", `type ${id} (${this.kind(at)} "${this.name(at)}") has no size`);
      }
    }
    throw new BtfError("BTF_DEPTH", `type ${id} is nested more than ${MAX_DEPTH} deep`);
  }

  /** The string at an offset of the string part, as line information refers to it. Throws {@link BtfError}. */
  string(offset: number): string {
    return this.#strings.at(offset);
  }

  /** The record of a type as words in host byte order: a view, for whoever copies it. Throws {@link BtfError}. */
  words(id: number): Uint32Array {
    if (this.base && id < this.firstId) return this.base.words(id);
    const at = this.#at(id);
    const { words } = this.#layout;
    return words.subarray(at, at + wordsIn(words[at + 1]!));
  }

  /** Copies the string at an offset with its NUL, as far as there is room; its length. Throws {@link BtfError}. @internal */
  copyString(offset: number, target: Uint8Array, at: number): number {
    return this.#strings.copy(offset, target, at);
  }

  /** The bytes of all strings, those of the base included. @internal */
  get stringsLength(): number {
    return this.#strings.length;
  }

  /** Where the record of a type of its own lies in `bytes`, for whoever rewrites it. Throws {@link BtfError}. */
  offsetOf(id: number): number {
    return this.#layout.typesStart + this.#at(id) * 4;
  }

  /**
   * Takes note that records of these types were rewritten in `bytes`, none of them longer or shorter than it was, and
   * none with a reference to what does not exist. Much cheaper than to parse it all again. @internal
   */
  reread(ids: Iterable<number>): void {
    const { words, typesStart, littleEndian } = this.#layout;
    if (words.buffer !== this.bytes.buffer) {
      const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + typesStart, words.length * 4);
      for (let i = 0; i < words.length; i++) words[i] = view.getUint32(i * 4, littleEndian);
    }
    for (const id of ids) this.#types.delete(id);
    this.#names = new NameIndex(this.#layout, this.#strings);
  }

  /** Where the parts lie in `bytes`, and its types as words. @internal */
  get parts(): BtfLayout {
    return this.#layout;
  }

  #ids(name: Uint8Array, kinds: number, first: boolean): number[] {
    const inBase = this.base ? this.base.#ids(name, kinds, first) : [];
    return first && inBase.length > 0 ? inBase : [...inBase, ...this.#names.find(name, kinds, false, first)];
  }

  /** The word at which a type of its own begins. */
  #at(id: number): number {
    const at = this.#layout.offsets[id - this.firstId];
    if (at === undefined) throw new BtfError("BTF_RANGE", `there is no type ${id}, only ${this.typeCount}`);
    return at;
  }

  /** One word of a type. */
  #word(id: number, word: number): number {
    if (this.base && id < this.firstId) return this.base.#word(id, word);
    return this.#layout.words[this.#at(id) + word]!;
  }

  #kind(id: number): number {
    return id === 0 ? BtfKind.VOID : kindOf(this.#word(id, 1));
  }
}

const MODIFIERS =
  (1 << BtfKind.TYPEDEF) |
  (1 << BtfKind.VOLATILE) |
  (1 << BtfKind.CONST) |
  (1 << BtfKind.RESTRICT) |
  (1 << BtfKind.TYPE_TAG);

function kindNumber(kind: BtfType["kind"]): number {
  return kindNames.indexOf(kind);
}

function checkedSize(id: number, size: number): number {
  if (size > 0xffff_ffff) throw new BtfError("BTF_LIMIT", `type ${id} is larger than 4 GiB`);
  return size;
}
