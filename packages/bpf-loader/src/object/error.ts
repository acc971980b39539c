/**
 * What is wrong with a BPF object, or with what is asked of it:
 * - `BPF_OBJECT`: the file is no BPF object, or a section contradicts its purpose
 * - `BPF_MAP`: the definition of a map
 * - `BPF_FUNCTION`: a function that overlaps another, or ends outside its section
 * - `BPF_RELOCATION`: a relocation, or a call of something that is not there
 * - `BPF_VARIABLE`: the definition of a global variable
 * - `BPF_EXTERN`: a symbol or an option that the kernel does not have, or that does not fit
 * - `BPF_NOT_FOUND`: no program, map or variable of that name
 * - `BPF_UNSUPPORTED`: valid, but beyond this loader
 */
export type BpfObjectErrorCode =
  | "BPF_OBJECT"
  | "BPF_MAP"
  | "BPF_FUNCTION"
  | "BPF_RELOCATION"
  | "BPF_VARIABLE"
  | "BPF_EXTERN"
  | "BPF_NOT_FOUND"
  | "BPF_UNSUPPORTED";

/** A BPF object that is malformed, or lacks what is asked of it. */
export class BpfObjectError extends Error {
  override readonly name = "BpfObjectError";
  /** What is wrong, for programs. */
  readonly code: BpfObjectErrorCode;

  /** Takes the code and a sentence about the trouble. */
  constructor(code: BpfObjectErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
