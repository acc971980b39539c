import type { ElfInflate } from "./compression.js";
import { GnuNoteType, SectionType, SegmentType } from "./constants.js";
import { ElfError } from "./error.js";
import { type ElfHeader, readHeader } from "./header.js";
import { type ElfNote, readNotes } from "./note.js";
import { type ElfRelocation, readRelocations } from "./relocation.js";
import { ElfSection, refuseCompressed } from "./section.js";
import { type ElfSegment, readSegments } from "./segment.js";
import { type ElfSymbol, readSymbols } from "./symbol.js";
import { Tables } from "./tables.js";

/** How a file is read. */
export interface ElfOptions {
  /** Inflates compressed sections, so that their `data` can be had; without it they are refused. */
  readonly inflate?: ElfInflate | undefined;
}

/**
 * An ELF file: relocatable, executable, shared or core; 32 or 64 bit; either byte order.
 *
 * Nothing is copied: sections and segments are views of the bytes given, symbols, relocations and notes are read when
 * asked for. Follows the System V ABI (gabi 4.1), chapters 4 and 5.
 */
export class ElfFile {
  readonly header: ElfHeader;
  /** All sections by index, the null section at 0 included; empty in a file without section headers. */
  readonly sections: readonly ElfSection[];
  /** All segments, in the order of the program headers. */
  readonly segments: readonly ElfSegment[];
  readonly #tables: Tables;
  readonly #symbolTables = new Map<ElfSection, readonly ElfSymbol[]>();
  #symbols: readonly ElfSymbol[] | undefined;
  #notes: readonly ElfNote[] | undefined;
  #tablesByTarget: Map<number, ElfSection[]> | undefined;

  private constructor(bytes: Uint8Array, inflate: ElfInflate | undefined) {
    const { header, reader } = readHeader(bytes);
    this.header = header;
    this.#tables = new Tables(reader, header, inflate);
    this.sections = this.#tables.sections;
    this.segments = readSegments(reader, header.segmentOffset, header.segmentCount);
  }

  /**
   * Reads the headers and checks that all they announce lies in the file.
   * The bytes must not change as long as the file is used. Throws {@link ElfError}.
   */
  static parse(bytes: Uint8Array, options: ElfOptions = {}): ElfFile {
    // Views of a Node Buffer would be Buffers, whose slice() copies nothing: everybody gets plain Uint8Arrays.
    return new ElfFile(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), options.inflate);
  }

  /** The first section of that name. */
  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /**
   * The symbols of every symbol table (SYMTAB and DYNSYM, in the order of the sections), without the null symbols.
   * Throws {@link ElfError} if one refers to a section or a name that does not exist.
   */
  get symbols(): readonly ElfSymbol[] {
    this.#symbols ??= concatenate(
      this.sections
        .filter(({ type }) => type === SectionType.SYMTAB || type === SectionType.DYNSYM)
        .map((section) => this.symbolTable(section).slice(1)),
    );
    return this.#symbols;
  }

  /** The symbols of one SYMTAB or DYNSYM section by index, the null symbol at 0 included. Throws {@link ElfError}. */
  symbolTable(section: ElfSection): readonly ElfSymbol[] {
    let symbols = this.#symbolTables.get(section);
    if (!symbols) {
      symbols = readSymbols(this.#tables, section);
      this.#symbolTables.set(section, symbols);
    }
    return symbols;
  }

  /**
   * The relocations of a section: those of every REL and RELA section whose `info` names it, or, if the section given
   * is itself of type REL or RELA, its own entries. Throws {@link ElfError}.
   */
  relocations(section: ElfSection): ElfRelocation[] {
    const tables = isRelocationTable(section)
      ? [section]
      : (this.#relocationTables().get(section.index) ?? []);
    return concatenate(
      tables.map((table) => {
        // A link of 0 means that no entry has a symbol (static executables' .rela.plt).
        const symbols = this.sections[table.link];
        return readRelocations(
          this.#tables.reader,
          this.header.machine,
          table,
          symbols && symbols.index !== 0 ? this.symbolTable(symbols) : [],
        );
      }),
    );
  }

  /**
   * The notes of every NOTE section or, in a file that has none, of every NOTE segment. Throws {@link ElfError}.
   */
  get notes(): readonly ElfNote[] {
    if (this.#notes) return this.#notes;
    const sections = this.sections.filter(({ type }) => type === SectionType.NOTE);
    this.#notes = concatenate(
      sections.length > 0
        ? sections.map((section) => this.notesOf(section))
        : this.#noteSegments().map((segment) => this.notesOf(segment)),
    );
    return this.#notes;
  }

  /** The notes in one section or segment, which must be of type NOTE. Throws {@link ElfError}. */
  notesOf(part: ElfSection | ElfSegment): ElfNote[] {
    const wanted = part instanceof ElfSection ? SectionType.NOTE : SegmentType.NOTE;
    if (part.type !== wanted) {
      throw new ElfError("ELF_RANGE", part.headerOffset, `its type is ${part.type}: it holds no notes`);
    }
    if (part instanceof ElfSection) refuseCompressed(part, "notes");
    const size = part instanceof ElfSection ? part.size : part.data.length;
    return readNotes(this.#tables.reader, part.offset, size, Number(part.alignment));
  }

  /** The linker's build ID (NT_GNU_BUILD_ID), as view of the file; undefined if there is none. Throws {@link ElfError}. */
  get buildId(): Uint8Array | undefined {
    return this.notes.find(({ type, name }) => type === GnuNoteType.BUILD_ID && name === "GNU")?.description;
  }

  // Notes do not overlap, or a small file could ask for work that grows with the square of its size.
  #noteSegments(): ElfSegment[] {
    const segments = this.segments.filter(({ type }) => type === SegmentType.NOTE);
    let total = 0;
    for (const segment of segments) {
      total += segment.fileSize;
      if (total > this.#tables.reader.length)
        throw new ElfError("ELF_LIMIT", segment.headerOffset, "the NOTE segments are larger than the file");
    }
    return segments;
  }

  // Grouped once: a file may have as many sections as it has room for headers, and a caller may ask for each.
  #relocationTables(): Map<number, ElfSection[]> {
    if (this.#tablesByTarget) return this.#tablesByTarget;
    this.#tablesByTarget = new Map();
    for (const table of this.sections.filter(isRelocationTable)) {
      const known = this.#tablesByTarget.get(table.info);
      if (known) known.push(table);
      else this.#tablesByTarget.set(table.info, [table]);
    }
    return this.#tablesByTarget;
  }
}

function isRelocationTable({ type }: ElfSection): boolean {
  return type === SectionType.REL || type === SectionType.RELA;
}

/** The lists as one; the usual single list is not copied. */
function concatenate<T>(lists: T[][]): T[] {
  return lists.length === 1 ? lists[0]! : lists.flat();
}
