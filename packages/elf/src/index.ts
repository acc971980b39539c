export {
  ElfMachine,
  ElfType,
  SectionFlag,
  SectionIndex,
  SectionType,
  SegmentFlag,
  SegmentType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "./constants.js";
export { ElfFile } from "./elf-file.js";
export { ElfError, type ElfErrorCode } from "./error.js";
export type { ElfHeader } from "./header.js";
export type { ElfRelocation } from "./relocation.js";
export type { ElfSection } from "./section.js";
export type { ElfSegment } from "./segment.js";
export type { ElfSymbol } from "./symbol.js";
