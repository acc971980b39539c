/** Words that no declaration of a module may be named: TypeScript's own, and what the module uses itself. */
const reserved = new Set(
  (
    "Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean BpfMap BpfObject BpfProgram BpfValue BtfValue Buffer " +
    "DataView Date Disposable Error Function LoadOptions LoadedObject LoadedVariable Map MapSpec Math Number Object " +
    "ProgramSpec Promise Proxy Readonly Record RegExp Set String Symbol URL Uint8Array VariableSpec"
  ).split(" "),
);

/** A name in TypeScript's fashion: "pod_limits" becomes "PodLimits". */
export function typeName(name: string): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const joined = words.map((word) => `${word[0]!.toUpperCase()}${word.slice(1)}`).join("");
  return /^[A-Za-z]/.test(joined) ? joined : `Type${joined}`;
}

/** Gives each thing a name of its own. */
export class Names {
  readonly #taken = new Set(reserved);

  /** The name wanted, or with a number behind it where it is taken. */
  take(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.#taken.has(name); i++) name = `${wanted}${i}`;
    this.#taken.add(name);
    return name;
  }
}

/** A name as the key of an object or interface: quoted where it is no identifier. */
export function propertyKey(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** A doc comment; nothing in the text can end it. */
export function docComment(lines: readonly string[], indent = ""): string {
  const safe = lines.map((line) => line.replaceAll("*/", "*\\/"));
  if (safe.length === 1) return `${indent}/** ${safe[0]} */`;
  return [`${indent}/**`, ...safe.map((line) => `${indent} * ${line}`.trimEnd()), `${indent} */`].join("\n");
}

/** C code in a doc comment. */
export function codeBlock(code: string): string[] {
  return ["```c", ...code.split("\n"), "```"];
}
