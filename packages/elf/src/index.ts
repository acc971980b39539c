export type { ElfCompression, ElfInflate } from "./compression.js";
export {
  CompressionType,
  ElfMachine,
  ElfType,
  GnuNoteType,
  SectionFlag,
  SectionIndex,
  SectionType,
  SegmentFlag,
  SegmentType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "./constants.js";
export { ElfFile, type ElfOptions } from "./elf-file.js";
export { ElfError, type ElfErrorCode } from "./error.js";
export type { ElfHeader } from "./header.js";
export type { ElfNote } from "./note.js";
export type { ElfRelocation } from "./relocation.js";
export type { ElfSection } from "./section.js";
export type { ElfSegment } from "./segment.js";
export type { ElfSymbol } from "./symbol.js";
