import { sectionKind } from "../names/sections.js";
import type { AttachType, ProgramType } from "../names/tables.js";
import type { BpfFunction } from "./function.js";

/** A program of an object. What may be assigned may be changed before the object is loaded. */
export class ProgramSpec {
  /** The function's name in C. */
  readonly name: string;
  /** The name of its section, without the leading "?" of an optional one: "tcx/egress". */
  readonly section: string;
  /** What follows the slash in the section's name where that names what to attach to: a function, a tracepoint. */
  readonly target: string;
  /** Undefined if the section's name says nothing; such a program loads once it has been given a type. */
  type: ProgramType | undefined;
  /** Undefined if the type has none, or it does not matter. */
  expectedAttachType: AttachType | undefined;
  /** A sum of {@link ProgramFlag}. */
  flags: number;
  /** Whether `load` takes it when nobody names it; false at first for a section that begins with "?". */
  autoload: boolean;
  /** Its instructions and what they refer to. */
  readonly function: BpfFunction;

  /** Made by {@link BpfObject.parse}. */
  constructor(function_: BpfFunction) {
    const optional = function_.section.startsWith("?");
    this.name = function_.name;
    this.section = optional ? function_.section.slice(1) : function_.section;
    this.function = function_;
    const kind = sectionKind(this.section);
    this.target = kind?.target ?? "";
    this.type = kind?.type;
    this.expectedAttachType = kind?.expectedAttachType;
    this.flags = kind?.flags ?? 0;
    this.autoload = !optional && kind !== undefined;
  }
}
