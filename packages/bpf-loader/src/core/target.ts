import type { Btf } from "../btf/btf.js";
import { essentialName } from "../btf/strings.js";
import type { BtfType } from "../btf/types.js";
import type { TypeRef } from "./compatible.js";

/** The kernel that code is fitted to: its BTF, and that of its modules. */
export class CoreTarget {
  readonly #open: () => Btf;
  readonly #openModules: () => readonly Btf[];
  readonly #candidates = new Map<string, readonly TypeRef[]>();
  #btf: Btf | undefined;
  #modules: readonly Btf[] | undefined;

  /**
   * @param open gives the kernel's BTF, when it is first needed
   * @param openModules gives the modules' BTF, when a type is not found in the kernel's
   */
  constructor(open: () => Btf, openModules: () => readonly Btf[] = () => []) {
    this.#open = open;
    this.#openModules = openModules;
  }

  /**
   * The types that a type of an object may stand for: those of its name, flavours aside, and of its kind. Modules are
   * looked into only where the kernel itself has none, as bpf_core_find_cands of libbpf does.
   */
  candidates(name: string, kind: BtfType["kind"]): readonly TypeRef[] {
    const essential = essentialName(name);
    const plain = kind === "enum64" ? "enum" : kind;
    const key = `${plain} ${essential}`;
    const known = this.#candidates.get(key);
    if (known) return known;
    const kinds: readonly BtfType["kind"][] = plain === "enum" ? ["enum", "enum64"] : [plain];
    this.#btf ??= this.#open();
    let found = refs(this.#btf, essential, kinds);
    if (found.length === 0) {
      this.#modules ??= this.#openModules();
      found = this.#modules.flatMap((module) => refs(module, essential, kinds));
    }
    this.#candidates.set(key, found);
    return found;
  }
}

function refs(btf: Btf, name: string, kinds: readonly BtfType["kind"][]): TypeRef[] {
  return btf.ownFlavours(name, kinds).map((id) => ({ btf, id }));
}
