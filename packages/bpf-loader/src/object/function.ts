import type { ExternSpec } from "./externs.js";
import type { MapSpec } from "./map-spec.js";

/** What an instruction refers to, which has a number only once it is loaded or linked. `at` counts instructions. */
export type Reference =
  /** `r = &map`: a 16-byte load that becomes the map's descriptor. */
  | { readonly at: number; readonly kind: "map"; readonly map: MapSpec }
  /** `r = &variable`: a 16-byte load that becomes the address of a byte in a data section. */
  | { readonly at: number; readonly kind: "map_value"; readonly map: MapSpec; readonly offset: number }
  /** `call function`. */
  | { readonly at: number; readonly kind: "call"; readonly target: BpfFunction }
  /** `r = &function`: a 16-byte load of a callback. */
  | { readonly at: number; readonly kind: "function_address"; readonly target: BpfFunction }
  /** A symbol that the kernel defines: `call kfunc`, or a 16-byte load of an option or an address. */
  | { readonly at: number; readonly kind: "extern"; readonly name: string; readonly extern: ExternSpec };

/** A function of an object: its instructions, and what they refer to. */
export interface BpfFunction {
  readonly name: string;
  /** The name of its section. */
  readonly section: string;
  /** Index of its section in the ELF file. */
  readonly sectionIndex: number;
  /** Its first instruction, counted from the start of the section. */
  readonly start: number;
  /** Its instructions, 8 bytes each: a view of the file. */
  readonly code: Uint8Array;
  /** Whether other files can see it. */
  readonly global: boolean;
  /** Global, but hidden from other files: the verifier checks each call of it as if it were static. */
  readonly hidden: boolean;
  /** In ascending order of `at`. */
  readonly references: Reference[];
}

/** Bytes of one instruction; a 64-bit load takes two. */
export const INSTRUCTION_SIZE = 8;
