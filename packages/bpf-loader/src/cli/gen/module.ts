import {
  type BpfObject,
  type Btf,
  formatDeclaration,
  formatType,
  type MapSpec,
  type ProgramSpec,
  type VariableSpec,
} from "../../index.js";
import { hasDescriptorKeys, holdsDescriptors, isPerCpu } from "../../maps/map-kinds.js";
import { codeBlock, docComment, Names, propertyKey } from "./names.js";
import { TypeWriter } from "./types.js";

/** How the module gets at the object: its bytes inside, or a path relative to the module. */
export type ObjectSource = { readonly embedded: Uint8Array } | { readonly path: string };

/** A map, variable or program of a generated module. */
export interface GeneratedMember {
  readonly name: string;
  /** Its TypeScript type: of a map `BpfMap<number, Pod>`. */
  readonly type: string;
}

/** A module as text, and what is in it. */
export interface GeneratedModule {
  readonly source: string;
  /** The class of the object before load. */
  readonly className: string;
  readonly maps: readonly GeneratedMember[];
  readonly variables: readonly GeneratedMember[];
  readonly programs: readonly string[];
}

/** The first line of every generated module begins with it. */
export const MARK = "// Written by `weir-bpf gen";

/**
 * Writes a TypeScript module for an object: types for what its maps and variables hold, and classes that parse and load
 * it with those types.
 * @param file the object's file name, for comments
 * @param className the name of the class, in the fashion of TypeScript
 */
export function generateModule(
  object: BpfObject,
  file: string,
  className: string,
  source: ObjectSource,
): GeneratedModule {
  const names = new Names();
  const [name, loadedName] = [names.take(className), names.take(`Loaded${className}`)];
  const types = object.btf && new TypeWriter(object.btf, names, cDeclaration(object.btf));
  const maps = object.maps.map((map) => ({ name: map.name, type: mapType(map, types), map }));
  const variables = object.variables.map((variable) => ({
    name: variable.name,
    type: types?.type(variable.typeId) ?? "BtfValue",
    variable,
  }));
  const { programs } = object;

  const specs: Getter[] = [
    ...programs.map((program) => ({
      group: "programs",
      name: program.name,
      type: "ProgramSpec",
      call: `object.program(${JSON.stringify(program.name)})`,
      comment: describeProgram(program),
    })),
    ...maps.map(({ map }) => ({
      group: "maps",
      name: map.name,
      type: "MapSpec",
      call: `object.map(${JSON.stringify(map.name)})`,
      comment: describeMap(map),
    })),
    ...variables.map(({ variable, type }) => ({
      group: "variables",
      name: variable.name,
      type: `VariableSpec<${type}>`,
      call: `object.variable<${type}>(${JSON.stringify(variable.name)})`,
      comment: describeVariable(object, variable),
    })),
  ];
  const loaded: Getter[] = [
    ...programs.map((program) => ({
      group: "programs",
      name: program.name,
      type: "BpfProgram",
      call: `loaded.program(${JSON.stringify(program.name)})`,
      comment: describeProgram(program),
    })),
    ...maps.map(({ map, type }) => ({
      group: "maps",
      name: map.name,
      type: `BpfMap<${type}>`,
      call: `loaded.map<${type}>(${JSON.stringify(map.name)})`,
      comment: describeMap(map),
    })),
    ...variables.map(({ variable, type }) => ({
      group: "variables",
      name: variable.name,
      type: `LoadedVariable<${type}>`,
      call: `loaded.variable<${type}>(${JSON.stringify(variable.name)})`,
      comment: describeVariable(object, variable),
    })),
  ];

  const parts = [
    `${MARK} ${file}\`: change the C source and write it anew, not this file.`,
    imports(source, specs, loaded),
    ...(types?.declarations ?? []),
    `${docComment([`The programs of ${file}.`])}\nexport type ${name}Program =${union(programs.map((one) => one.name))};`,
    specClass(name, loadedName, file, specs),
    loadedClass(loadedName, file, loaded),
    objectBytes(source),
  ];
  return {
    source: `${parts.join("\n\n")}\n`,
    className: name,
    maps: maps.map(({ name, type }) => ({ name, type: `BpfMap<${type}>` })),
    variables: variables.map(({ name, type }) => ({ name, type })),
    programs: programs.map((program) => program.name),
  };
}

/** A union of string literals, on one line or on one each. */
function union(names: readonly string[]): string {
  const literals = names.map((name) => JSON.stringify(name));
  const line = literals.join(" | ");
  if (line.length > 80) return literals.map((literal) => `\n  | ${literal}`).join("");
  return ` ${line || "never"}`;
}

/** A property of one of the groups of a class. */
interface Getter {
  readonly group: string;
  readonly name: string;
  readonly type: string;
  /** The expression that gets it. */
  readonly call: string;
  readonly comment: readonly string[];
}

function cDeclaration(btf: Btf): (id: number) => string {
  return (id) => formatType(btf, id).replaceAll("\t", "  ");
}

/** The two type arguments of `BpfMap`. */
function mapType(map: MapSpec, types: TypeWriter | undefined): string {
  const btf = map.btfTypes;
  const indexed = map.type === "array" || map.type === "percpu_array";
  const key = btf?.key ? types!.type(btf.key) : indexed ? "number" : "Uint8Array";
  const value = btf?.value ? types!.type(btf.value) : "Uint8Array";
  const descriptor = (size: number) => `${size === 8 ? "bigint" : "number"} | Descriptor`;
  return [
    hasDescriptorKeys(map.type) ? descriptor(map.keySize) : key,
    holdsDescriptors(map.type) ? descriptor(map.valueSize) : isPerCpu(map.type) ? `${value}[]` : value,
  ].join(", ");
}

function describeProgram({ section, type }: ProgramSpec): string[] {
  return [`Section \`${section}\`${type ? `: ${type}` : ""}.`];
}

function describeMap(map: MapSpec): string[] {
  const { btfTypes, keySize, valueSize } = map;
  const side = (type: number | undefined, size: number) =>
    btfTypes && type ? `\`${formatDeclaration(btfTypes.btf, type)}\`` : `${size} bytes`;
  const perCpu = isPerCpu(map.type) ? ", one for each possible CPU" : "";
  return [
    `Map of type ${map.type}, at most ${map.maxEntries} entries: ${side(btfTypes?.key, keySize)} to ${side(btfTypes?.value, valueSize)}${perCpu}.`,
  ];
}

function describeVariable(object: BpfObject, { name, section, typeId }: VariableSpec): string[] {
  return [
    ...codeBlock(`${formatDeclaration(object.btf!, typeId, name)};`.replaceAll("\t", "  ")),
    `In section \`${section}\`.`,
  ];
}

function imports(source: ObjectSource, specs: readonly Getter[], loaded: readonly Getter[]): string {
  const text = [...specs, ...loaded].map((getter) => getter.type).join(" ");
  const types = [
    "BpfMap",
    "BpfProgram",
    "BtfValue",
    "Descriptor",
    "LoadedVariable",
    "MapSpec",
    "ProgramSpec",
    "VariableSpec",
  ];
  const used = types.filter((type) => new RegExp(`\\b${type}\\b`).test(text));
  const named = [...used, "LoadedObject", "LoadOptions"].map((type) => [type, `type ${type}`] as const);
  const sorted = [...named, ["BpfObject", "BpfObject"] as const].sort((a, b) => compare(a[0], b[0]));
  const own =
    "embedded" in source
      ? 'import { Buffer } from "node:buffer";'
      : 'import { readFileSync } from "node:fs";';
  return `${own}\nimport {\n${sorted.map(([, one]) => `  ${one},\n`).join("")}} from "@weir/bpf-loader";`;
}

function specClass(name: string, loadedName: string, file: string, getters: readonly Getter[]): string {
  return `/** What ${file} holds, before it is loaded. All of it may be changed. */
export class ${name} {
  /** The object itself. */
  readonly object: BpfObject;

  private constructor(object: BpfObject) {
    this.object = object;
  }

  /** Parses the object; takes no privilege. Each call gives an object of its own. */
  static parse(): ${name} {
    return new ${name}(BpfObject.parse(objectBytes()));
  }

${groups("object", getters)}
  /**
   * Creates the maps and loads the programs: all of them, or those named and what they need.
   * Throws what \`BpfObject.load\` throws.
   */
  load(
    options: Omit<LoadOptions, "programs"> & { readonly programs?: readonly ${name}Program[] } = {},
  ): ${loadedName} {
    return new ${loadedName}(this.object.load(options));
  }
}`;
}

function loadedClass(name: string, file: string, getters: readonly Getter[]): string {
  return `/** What ${file} holds, in the kernel. Disposing it closes all of it; what is pinned or attached lives on. */
export class ${name} implements Disposable {
  /** The loaded object itself. */
  readonly loaded: LoadedObject;

  /** Made by load. */
  constructor(loaded: LoadedObject) {
    this.loaded = loaded;
  }

${groups("loaded", getters)}
  /** Closes all programs and maps. */
  close(): void {
    this.loaded.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}`;
}

const groupComments: Readonly<Record<string, string>> = {
  "object programs": "The programs.",
  "object maps": "The maps; data sections are left out.",
  "object variables": "The global variables, with the values that programs will find.",
  "loaded programs": "The programs that were loaded. Getting another throws BpfObjectError.",
  "loaded maps": "The maps that were created. Getting another throws BpfObjectError.",
  "loaded variables":
    "The global variables as programs see them now; those of `.rodata` can no longer be set.",
};

/** One property for each group, whose value has a getter for each of its members. */
function groups(owner: string, getters: readonly Getter[]): string {
  const parts = [...new Set(getters.map((getter) => getter.group))].map((group) => {
    const members = getters.filter((getter) => getter.group === group);
    const types = members.map(
      ({ name, type, comment }) =>
        `${docComment(comment, "    ")}\n    readonly ${propertyKey(name)}: ${type};\n`,
    );
    const bodies = members.map(
      ({ name, call }) => `      get ${propertyKey(name)}() {\n        return ${call};\n      },\n`,
    );
    return `${docComment([groupComments[`${owner} ${group}`]!], "  ")}
  get ${group}(): {
${types.join("")}  } {
    const { ${owner} } = this;
    return {
${bodies.join("")}    };
  }
`;
  });
  return parts.join("\n");
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, "en");
}

/** Characters of base64 in a line. */
const LINE = 100;

function objectBytes(source: ObjectSource): string {
  if ("path" in source) {
    return `function objectBytes(): Uint8Array {
  return readFileSync(new URL(${JSON.stringify(source.path)}, import.meta.url));
}`;
  }
  const text = Buffer.from(source.embedded).toString("base64");
  const lines = text.match(new RegExp(`.{1,${LINE}}`, "g")) ?? [];
  return `function objectBytes(): Uint8Array {
  return Buffer.from(base64, "base64");
}

const base64 = \`
${lines.join("\n")}
\`;`;
}
