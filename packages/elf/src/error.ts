/**
 * What is wrong with a file:
 * - `ELF_MAGIC`: not an ELF file, or an identification that no specification knows
 * - `ELF_TRUNCATED`: something that the headers announce lies outside the file
 * - `ELF_RANGE`: a number that contradicts another one (an index past its table, a size past 2^53)
 * - `ELF_ENTRY_SIZE`: a table whose entry size is not the one of its class, or does not divide the table
 * - `ELF_STRING`: a string table that does not end in NUL, or a name outside its table
 * - `ELF_LIMIT`: sections or names that overlap so much that reading them would cost far more than the file's size
 * - `ELF_COMPRESSED`: a compressed section cannot be inflated, or nothing was given to inflate it with
 * - `ELF_NOTE`: notes whose sizes or alignment make no sense
 */
export type ElfErrorCode =
  | "ELF_MAGIC"
  | "ELF_TRUNCATED"
  | "ELF_RANGE"
  | "ELF_ENTRY_SIZE"
  | "ELF_STRING"
  | "ELF_LIMIT"
  | "ELF_COMPRESSED"
  | "ELF_NOTE";

/** The only error that reading a file throws, whatever bytes it holds. */
export class ElfError extends Error {
  override readonly name = "ElfError";
  /** What is wrong, for programs. */
  readonly code: ElfErrorCode;
  /** Where in the file the trouble was found, in bytes from its start. */
  readonly offset: number;

  /** Takes the code, the byte offset of the trouble and a sentence about it, to which the offset is added. */
  constructor(code: ElfErrorCode, offset: number, message: string, options?: ErrorOptions) {
    super(`${message} (at byte ${offset})`, options);
    this.code = code;
    this.offset = offset;
  }
}
