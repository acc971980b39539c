/**
 * What is wrong with BTF:
 * - `BTF_HEADER`: no BTF, or a header that contradicts itself
 * - `BTF_TRUNCATED`: a record that ends outside its part of the data
 * - `BTF_KIND`: a kind of type that is unknown, or not the one that is needed
 * - `BTF_RANGE`: a reference to a type or a string that does not exist, or a member outside its struct
 * - `BTF_DEPTH`: types nested too deeply, or in a circle
 * - `BTF_LIMIT`: valid, but so large that no program means it
 */
export type BtfErrorCode =
  | "BTF_HEADER"
  | "BTF_TRUNCATED"
  | "BTF_KIND"
  | "BTF_RANGE"
  | "BTF_DEPTH"
  | "BTF_LIMIT";

/** BTF that is malformed, whatever bytes it holds. */
export class BtfError extends Error {
  override readonly name = "BtfError";
  /** What is wrong, for programs. */
  readonly code: BtfErrorCode;

  /** Takes the code and a sentence about the trouble. */
  constructor(code: BtfErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A JavaScript value that does not fit the BTF type it was given for. */
export class BtfValueError extends Error {
  override readonly name = "BtfValueError";
  readonly code = "BTF_VALUE";
  /** Which part of the value is wrong, such as "limits[3].rate"; "" for the whole. */
  readonly path: string;
  readonly #problem: string;

  /** Takes the path of the wrong part and what is wrong with it. */
  constructor(path: string, problem: string) {
    super(path === "" ? problem : `${path}: ${problem}`);
    this.path = path;
    this.#problem = problem;
  }

  /** The same error seen from the value that encloses this one. */
  within(outer: string): BtfValueError {
    const separator = this.path === "" || this.path.startsWith("[") ? "" : ".";
    return new BtfValueError(`${outer}${separator}${this.path}`, this.#problem);
  }
}
