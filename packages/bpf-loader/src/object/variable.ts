import type { Btf } from "../btf/btf.js";
import { type BtfValue, btfCodec, type Codec } from "../btf/codec.js";
import type { DataSection } from "./data-section.js";

/**
 * A global variable of an object. What it is set to is what programs find when the object is loaded.
 * @typeParam T what its value is in JavaScript
 */
export class VariableSpec<T = BtfValue> {
  readonly name: string;
  /** The section it lies in: ".rodata". */
  readonly section: string;
  /** Where it begins in its section, in bytes. */
  readonly offset: number;
  /** Its size in bytes. */
  readonly size: number;
  /** Id of its type in the object's BTF, without `static` and `extern`. */
  readonly typeId: number;
  readonly #data: DataSection;
  readonly #btf: Btf;
  #codec: Codec<T> | undefined;

  /** Made by {@link BpfObject.parse}. */
  constructor(name: string, data: DataSection, offset: number, btf: Btf, type: number) {
    this.name = name;
    this.section = data.map.name;
    this.offset = offset;
    this.size = btf.sizeOf(type);
    this.#data = data;
    this.#btf = btf;
    this.typeId = type;
  }

  /** Reads and writes it by its BTF type. */
  get codec(): Codec<T> {
    this.#codec ??= btfCodec<T>(this.#btf, this.typeId);
    return this.#codec;
  }

  /** Its value before load. */
  get(): T {
    return this.codec.decode(this.bytes);
  }

  /** Gives it a value before load. Throws {@link BtfValueError} for a value that its type does not take. */
  set(value: T): void {
    this.bytes.set(this.codec.encode(value));
  }

  /** Its bytes before load: writing to them sets it. */
  get bytes(): Uint8Array {
    return this.#data.contents.subarray(this.offset, this.offset + this.size);
  }
}

/** The variables of a section in ascending order of offset, for each list of variables that was asked about. */
const bySection = new WeakMap<readonly VariableSpec[], ReadonlyMap<string, readonly VariableSpec[]>>();

/** The variable at an offset of a data section, "total", or a place inside one, "table+4"; undefined if there is none. */
export function variableAt(
  object: { readonly variables: readonly VariableSpec[] },
  section: string,
  offset: number,
): string | undefined {
  let sections = bySection.get(object.variables);
  if (!sections) {
    sections = sortBySection(object.variables);
    bySection.set(object.variables, sections);
  }
  const variables = sections.get(section) ?? [];
  let [low, high] = [0, variables.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (variables[middle]!.offset <= offset) low = middle + 1;
    else high = middle;
  }
  const variable = variables[low - 1];
  if (!variable || offset >= variable.offset + variable.size) return undefined;
  const inside = offset - variable.offset;
  return inside === 0 ? variable.name : `${variable.name}+${inside}`;
}

function sortBySection(variables: readonly VariableSpec[]): Map<string, VariableSpec[]> {
  const sections = new Map<string, VariableSpec[]>();
  for (const variable of variables) {
    const known = sections.get(variable.section);
    if (known) known.push(variable);
    else sections.set(variable.section, [variable]);
  }
  for (const list of sections.values()) list.sort((a, b) => a.offset - b.offset);
  return sections;
}
