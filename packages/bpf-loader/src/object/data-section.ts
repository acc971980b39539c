import type { Btf } from "../btf/btf.js";
import type { BtfTypeOf } from "../btf/types.js";
import { MapFlag } from "../names/tables.js";
import { BpfObjectError } from "./error.js";
import { MapSpec } from "./map-spec.js";

/** The kernel keeps a section as one array element, whose size has 32 bits. */
const MAX_SIZE = 0xffff_ffff;

/** Whether a section holds global variables: `.data`, `.rodata`, `.bss`, and any of them with a suffix. */
export function isDataSection(name: string): boolean {
  return /^\.(data|rodata|bss)(\.|$)/.test(name);
}

/** What a section is made of. */
export interface SectionSource {
  readonly name: string;
  /** In memory, in bytes. */
  readonly size: number;
  /** What stands in the file: as long as `size`, or empty for zeros. */
  readonly data: Uint8Array;
  readonly types: { readonly btf: Btf; readonly datasec: BtfTypeOf<"datasec"> } | undefined;
  readonly needsRelocation?: boolean;
}

/** A section of global variables: an array map of one element, and what the element is at first. */
export class DataSection {
  /** The map; its name is the section's. */
  readonly map: MapSpec;
  /** Whether programs may only read it: `.rodata` and `.kconfig`. It is frozen once it is filled. */
  readonly readOnly: boolean;
  /**
   * Whether the file wants addresses filled in. There are none to fill in: what lies in a map is no pointer for the
   * verifier. As with libbpf the section keeps the offsets that the compiler left there.
   */
  readonly needsRelocation: boolean;
  readonly #source: Uint8Array;
  #contents: Uint8Array | undefined;

  /** Made by {@link BpfObject.parse}. */
  constructor({ name, size, data, types, needsRelocation = false }: SectionSource) {
    if (size > MAX_SIZE) throw new BpfObjectError("BPF_OBJECT", `section ${name} has ${size} bytes`);
    this.readOnly = name.startsWith(".rodata") || name === ".kconfig";
    this.needsRelocation = needsRelocation;
    this.#source = data;
    const mmapable = types !== undefined && hasGlobals(types.btf, types.datasec);
    this.map = new MapSpec(
      {
        name,
        type: "array",
        keySize: 4,
        valueSize: size,
        maxEntries: 1,
        flags: (mmapable ? MapFlag.MMAPABLE : 0) | (this.readOnly ? MapFlag.RDONLY_PROG : 0),
      },
      types && { btf: types.btf, key: 0, value: types.datasec.id },
    );
  }

  /** The first contents, as long as the section. A copy that may be written to, made when it is first asked for. */
  get contents(): Uint8Array {
    if (!this.#contents) {
      this.#contents = new Uint8Array(this.map.valueSize);
      this.#contents.set(this.#source.subarray(0, this.map.valueSize));
    }
    return this.#contents;
  }

  /** Whether the first contents may be anything but zeros. */
  get initialised(): boolean {
    return this.#contents !== undefined || this.#source.length > 0;
  }
}

// As libbpf (map_is_mmapable): a section of static variables alone may hold locks and kernel pointers, which user space
// must not map, and nobody looks a static variable up by name.
function hasGlobals(btf: Btf, datasec: BtfTypeOf<"datasec">): boolean {
  return datasec.entries.some((entry) => {
    const variable = btf.type(entry.type);
    return variable.kind === "var" && variable.linkage !== "static";
  });
}
