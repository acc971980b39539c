import type { ElfSection } from "@weir/elf";
import type { Btf } from "../btf/btf.js";
import { MapFlag } from "../names/tables.js";
import { BpfObjectError } from "./error.js";
import { MapSpec } from "./map-spec.js";

/** The kernel keeps a section as one array element, whose size has 32 bits. */
const MAX_SIZE = 0xffff_ffff;

/** Whether a section holds global variables: `.data`, `.rodata`, `.bss`, and any of them with a suffix. */
export function isDataSection(name: string): boolean {
  return /^\.(data|rodata|bss)(\.|$)/.test(name);
}

/** A section of global variables: an array map of one element, and what the element is at first. */
export class DataSection {
  /** The map; its name is the section's. */
  readonly map: MapSpec;
  /** Whether programs may only read it: `.rodata`. It is frozen once it is filled. */
  readonly readOnly: boolean;
  /** Whether it holds addresses, which this loader does not fill in yet. */
  readonly needsRelocation: boolean;
  readonly #source: Uint8Array;
  #contents: Uint8Array | undefined;

  /** Made by {@link BpfObject.parse}; `size` is the section's size in memory. */
  constructor(
    section: ElfSection,
    types: { btf: Btf; datasec: number } | undefined,
    needsRelocation: boolean,
  ) {
    if (section.size > MAX_SIZE)
      throw new BpfObjectError("BPF_OBJECT", `section ${section.name} has ${section.size} bytes`);
    this.readOnly = section.name.startsWith(".rodata");
    this.needsRelocation = needsRelocation;
    this.#source = section.data;
    this.map = new MapSpec(
      {
        name: section.name,
        type: "array",
        keySize: 4,
        valueSize: section.size,
        maxEntries: 1,
        flags: (hasGlobals(types) ? MapFlag.MMAPABLE : 0) | (this.readOnly ? MapFlag.RDONLY_PROG : 0),
      },
      types && { btf: types.btf, key: 0, value: types.datasec },
    );
  }

  /** The first contents, as long as the section. A copy that may be written to, made when it is first asked for. */
  get contents(): Uint8Array {
    if (!this.#contents) {
      this.#contents = new Uint8Array(this.map.valueSize);
      this.#contents.set(this.#source);
    }
    return this.#contents;
  }

  /** Whether the first contents may be anything but zeros. */
  get initialised(): boolean {
    return this.#contents !== undefined || this.#source.length > 0;
  }
}

/** libbpf lets user space map a section if something in it has a name that is known outside its file. */
function hasGlobals(types: { btf: Btf; datasec: number } | undefined): boolean {
  const section = types?.btf.type(types.datasec);
  if (section?.kind !== "datasec") return false;
  return section.entries.some((entry) => {
    const variable = types!.btf.type(entry.type);
    return variable.kind === "var" && variable.linkage !== "static";
  });
}
