import { type BpfFunction, type BpfObject, disassembleFunction } from "../index.js";
import { type ExitCode, exitCode } from "./errors.js";
import { formatValue } from "./format.js";
import { readObject } from "./input.js";
import { reportRelocations } from "./relocations.js";
import { allMaps, mapFlagNames, type Report, reportMap, reportProgram, reportVariable } from "./report.js";
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
    variables: object.variables.map(reportVariable),
    run: null,
    license: object.license,
    littleEndian: object.littleEndian,
    externs: externs(object),
    relocations: reportRelocations(object),
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
  const parts = [`${bold(file)}: BPF object of ${size} bytes, ${order}, ${license}, ${btf}`];
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
    ["name", "type", " key", " value", " entries", "flags", "pinning", "holds"],
    allMaps(object).map((map) => [
      { text: map.name, style: bold },
      map.type,
      map.keySize,
      map.valueSize,
      map.maxEntries,
      mapFlagNames(map.flags),
      map.pinning === "none" ? "" : map.pinning,
      map.innerMap ? `maps of type ${map.innerMap.type}` : "",
    ]),
  );
  table(
    "Variables",
    ["name", "section", " offset", " size", "value"],
    object.variables.map((variable) => [
      { text: variable.name, style: bold },
      variable.section,
      variable.offset,
      variable.size,
      formatValue(reportVariable(variable).value),
    ]),
  );
  table(
    "Externs",
    ["name"],
    externs(object).map((extern) => [extern.name]),
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
  if (options.disasm) {
    for (const function_ of object.functions) parts.push(listing(object, function_, terminal));
  }
  return parts.join("\n\n");
}

function linkage({ global, hidden }: BpfFunction): string {
  if (hidden) return "hidden";
  return global ? "global" : "static";
}

function externs(object: BpfObject): { name: string }[] {
  const names = object.functions.flatMap((function_) =>
    function_.references.flatMap((reference) => (reference.kind === "extern" ? [reference.name] : [])),
  );
  return [...new Set(names)].map((name) => ({ name }));
}

/** The instructions of one function, with labels, and the source above what it became. */
function listing(object: BpfObject, function_: BpfFunction, terminal: Terminal): string {
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
    lines.push(`${String(at).padStart(6)}:  ${dim(hex)} ${text}`);
  }
  return lines.join("\n");
}
