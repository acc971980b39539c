import type { Fd } from "@weir/syscall";
import { sectionKind } from "../names/sections.js";
import type { AttachType, ProgramType } from "../names/tables.js";
import type { BpfFunction } from "./function.js";

/** A program of an object. What may be assigned may be changed before the object is loaded. */
export class ProgramSpec {
  /** The function's name in C. */
  readonly name: string;
  /** The name of its section, without the leading "?" of an optional one: "tcx/egress". */
  readonly section: string;
  /**
   * What to attach to, as it stands behind the slash of the section's name: a function ("do_unlinkat"), a tracepoint
   * ("sched/sched_switch"), a place in a file ("/bin/bash:readline+4"), the function that a freplace program replaces.
   * "" if the section does not say. For tracing, lsm and ext programs it is looked up in BTF when the program is loaded;
   * "module:function" looks in that module alone.
   */
  attachTarget: string;
  /** The loaded program that an ext program changes, or that a tracing program watches: `attachTarget` is its function. */
  attachProgram: { readonly fd: Fd; readonly name: string } | undefined;
  /** Undefined if the section's name says nothing; such a program loads once it has been given a type. */
  type: ProgramType | undefined;
  /** Undefined if the type has none, or it does not matter. */
  expectedAttachType: AttachType | undefined;
  /** A sum of {@link ProgramFlag}. */
  flags: number;
  /** Whether `load` takes it when nobody names it; false at first for a section that begins with "?". */
  autoload: boolean;
  /** 1 or 2 ask the verifier for its log of this program; `load`'s own level if undefined. */
  logLevel: number | undefined;
  /** Its instructions and what they refer to. */
  readonly function: BpfFunction;

  /** Made by {@link BpfObject.parse}. */
  constructor(function_: BpfFunction) {
    const optional = function_.section.startsWith("?");
    this.name = function_.name;
    this.section = optional ? function_.section.slice(1) : function_.section;
    this.function = function_;
    const kind = sectionKind(this.section);
    this.attachTarget = kind?.target ?? "";
    this.type = kind?.type;
    this.expectedAttachType = kind?.expectedAttachType;
    this.flags = kind?.flags ?? 0;
    this.autoload = !optional && kind !== undefined;
  }
}
