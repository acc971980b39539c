import { type BpfFunction, type BpfObject, disassembleFunction, type MapSpec } from "../index.js";
import { allMaps } from "../object/bpf-object.js";
import { type ExitCode, exitCode } from "./errors.js";
import { formatValue } from "./format.js";
import { readObject } from "./input.js";
import { reportRelocations } from "./relocations.js";
import {
  mapFlagNames,
  type Report,
  reportExtern,
  reportMap,
  reportProgram,
  reportVariable,
} from "./report.js";
import { type CellLike, formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

/** Options of `weir-bpf inspect`. */
export interface InspectOptions {
  readonly json?: boolean;
  /** List the instructions of every function. */
  readonly disasm?: boolean;
}

/** `weir-bpf inspect FILE`: what an object defines. Takes no privilege. */
export function inspect(file: string, options: InspectOptions, terminal: Terminal): ExitCode {
  const { bytes, object } = readObject(file);
  if (options.json) terminal.printJson(report(object, options));
  else terminal.print(describe(file, bytes.length, object, options, terminal));
  return exitCode.OK;
}

function report(object: BpfObject, { disasm }: InspectOptions): Report & Record<string, unknown> {
  return {
    maps: allMaps(object).map(reportMap),
    programs: object.programs.map(reportProgram),
    variables: object.variables.map((variable) => reportVariable(variable, object.btf)),
    run: null,
    license: object.license,
    littleEndian: object.littleEndian,
    externs: object.externs.map((extern) => reportExtern(extern, object.btf)),
    structOps: object.structOps.map(reportStructOps),
    relocations: reportRelocations(object),
    coreRelocations: object.coreRelocations,
    functions: object.functions.map((function_) => ({
      name: function_.name,
      section: function_.section,
      instructions: function_.code.length / 8,
      global: function_.global,
      ...(disasm && { disassembly: disassembleFunction(object, function_) }),
    })),
  };
}

function describe(
  file: string,
  size: number,
  object: BpfObject,
  options: InspectOptions,
  terminal: Terminal,
): string {
  const { bold } = terminal.style;
  const order = object.littleEndian ? "little-endian" : "big-endian";
  const license = object.license === "" ? "no license" : `license ${JSON.stringify(object.license)}`;
  const btf = object.btf ? `BTF with ${object.btf.typeCount} types` : "no BTF";
  const name = file === "-" ? "standard input" : file;
  const parts = [`${bold(name)}: BPF object of ${size} bytes, ${order}, ${license}, ${btf}`];
  const table = (title: string, headings: readonly string[], rows: readonly (readonly CellLike[])[]) => {
    if (rows.length > 0) parts.push(`${bold(title)}\n${formatTable(headings, rows, terminal.style.dim)}`);
  };

  table(
    "Programs",
    ["name", "section", "type", "attaches to", " instructions", "note"],
    object.programs.map((program) => [
      { text: program.name, style: bold },
      program.section,
      program.type ?? { text: "unknown", style: terminal.style.yellow },
      [program.expectedAttachType, program.attachTarget].filter(Boolean).join(" "),
      program.function.code.length / 8,
      program.autoload ? "" : "loaded only by name",
    ]),
  );
  const programs = new Set(object.programs.map((program) => program.function));
  table(
    "Functions called by them",
    ["name", "section", "linkage", " instructions"],
    object.functions
      .filter((function_) => !programs.has(function_))
      .map((function_) => [function_.name, function_.section, linkage(function_), function_.code.length / 8]),
  );
  table(
    "Maps",
    ["name", "type", " key", " value", " entries", "flags", "pinning", "from key", "to value", "filled with"],
    allMaps(object).map((map) => [
      { text: map.name, style: bold },
      map.type,
      map.keySize,
      map.valueSize,
      map.maxEntries,
      mapFlagNames(map.flags),
      map.pinning === "none" ? "" : map.pinning,
      ...sides(map),
      shortened(
        map.contents
          .map((slot) => `${slot.key}: ${"map" in slot ? slot.map.name : slot.program.name}`)
          .join(", "),
      ),
    ]),
  );
  table(
    "Variables",
    ["section", " offset", " size", "declaration", "value"],
    object.variables.map((variable) => {
      const { declaration, value } = reportVariable(variable, object.btf);
      return [
        variable.section,
        variable.offset,
        variable.size,
        { text: shortened(`${declaration ?? variable.name}`), style: bold },
        formatValue(value),
      ];
    }),
  );
  table(
    "Externs",
    ["name", "kind", "declaration", "note"],
    object.externs.map((extern) => {
      const { declaration } = reportExtern(extern, object.btf);
      const text = typeof declaration === "string" ? shortened(declaration) : "";
      return [{ text: extern.name, style: bold }, extern.kind, text, extern.weak ? "weak" : ""];
    }),
  );
  table(
    "Tables of functions",
    ["name", "struct", "members", "note"],
    object.structOps.map((table) => [
      { text: table.name, style: bold },
      table.structName,
      [...table.programs].map(([member, program]) => `${member}: ${program.name}`).join(", "),
      [table.linked ? "linked" : "", table.autoload ? "" : "loaded only by name"].filter(Boolean).join(", "),
    ]),
  );
  table(
    "Relocations",
    ["function", " instruction", "kind", "target"],
    reportRelocations(object).map((one) => [
      one.function,
      one.instruction,
      one.kind,
      `${one.target}${one.offset === undefined ? "" : `+${one.offset}`}${one.variable === undefined ? "" : ` (${one.variable})`}`,
    ]),
  );
  table(
    "CO-RE relocations",
    ["function", " instruction", "kind", "of", "type"],
    object.coreRelocations.map((one) => [
      one.function,
      one.instruction,
      one.kind,
      one.access,
      one.access === one.type ? "" : one.type,
    ]),
  );
  if (options.disasm) {
    const questions = coreQuestions(object);
    for (const function_ of object.functions) parts.push(listing(object, function_, questions, terminal));
  }
  return parts.join("\n\n");
}

/** What instructions want to know about the kernel's types, by function and instruction. */
function coreQuestions(object: BpfObject): Map<string, string> {
  return new Map(
    object.coreRelocations.map((one) => [`${one.function} ${one.instruction}`, `${one.kind} ${one.access}`]),
  );
}

/** What a map's keys and values are, in C. */
function sides(map: MapSpec): string[] {
  const { keyType, valueType } = reportMap(map);
  const value = map.innerMap ? `map of type ${map.innerMap.type}` : valueType;
  return [keyType, value].map((type) => (typeof type === "string" ? shortened(type) : ""));
}

/** Declarations of anonymous structs are long. */
function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function linkage({ global, hidden }: BpfFunction): string {
  if (hidden) return "hidden";
  return global ? "global" : "static";
}

function reportStructOps(table: BpfObject["structOps"][number]): Record<string, unknown> {
  const { name, structName, linked, autoload } = table;
  const programs = [...table.programs].map(([member, program]) => ({ member, name: program.name }));
  return { name, structName, linked, autoload, programs };
}

/** The instructions of one function, with labels, and the source above what it became. */
function listing(
  object: BpfObject,
  function_: BpfFunction,
  questions: ReadonlyMap<string, string>,
  terminal: Terminal,
): string {
  const { bold, dim, yellow } = terminal.style;
  const lines = [`${bold(function_.name)} ${dim(`(section ${function_.section})`)}`];
  for (const { at, bytes, text, label, source } of disassembleFunction(object, function_)) {
    if (label !== undefined) lines.push(`${yellow(label)}:`);
    // Line 0 is code that the compiler attributes to no line.
    if (source && source.line > 0) {
      const text = source.text === "" ? "" : `${source.text}  `;
      lines.push(dim(`; ${text}${source.file}:${source.line}`));
    }
    const hex = Buffer.from(bytes.subarray(0, 8)).toString("hex").replace(/../g, "$& ");
    const question = questions.get(`${function_.name} ${at}`);
    const core = question === undefined ? "" : dim(`  ; CO-RE ${question}`);
    lines.push(`${String(at).padStart(6)}:  ${dim(hex)} ${text}${core}`);
  }
  return lines.join("\n");
}
