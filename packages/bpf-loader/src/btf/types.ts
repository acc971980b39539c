/** `BTF_KIND_*` of include/uapi/linux/btf.h. */
export const BtfKind = {
  VOID: 0,
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

/** A member of a struct or union. Its name is "" if it is an anonymous struct or union. */
export interface BtfMember {
  readonly name: string;
  readonly type: number;
  /** From the start of the struct. */
  readonly bitOffset: number;
  /** Width of a bit-field; 0 if it is none. */
  readonly bitSize: number;
}

/** A variable within its data section, in bytes. */
export interface BtfSectionEntry {
  /** Id of the VAR. */
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

/**
 * A BTF type. `type` is always the id of another type; id 0 is void. Sizes are in bytes.
 * See Documentation/bpf/btf.rst in the kernel's tree.
 */
export type BtfType =
  | { readonly id: number; readonly kind: "void"; readonly name: "" }
  | {
      readonly id: number;
      readonly kind: "int";
      readonly name: string;
      readonly size: number;
      readonly bits: number;
      readonly bitOffset: number;
      readonly signed: boolean;
      readonly bool: boolean;
    }
  | { readonly id: number; readonly kind: "ptr"; readonly name: ""; readonly type: number }
  | {
      readonly id: number;
      readonly kind: "array";
      readonly name: "";
      readonly type: number;
      readonly indexType: number;
      readonly length: number;
    }
  | {
      readonly id: number;
      readonly kind: "struct" | "union";
      readonly name: string;
      readonly size: number;
      readonly members: readonly BtfMember[];
    }
  | {
      readonly id: number;
      readonly kind: "enum";
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly values: readonly { readonly name: string; readonly value: number }[];
    }
  | {
      readonly id: number;
      readonly kind: "enum64";
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
    }
  | { readonly id: number; readonly kind: "fwd"; readonly name: string; readonly union: boolean }
  | {
      readonly id: number;
      readonly kind: "typedef" | "volatile" | "const" | "restrict" | "type_tag";
      readonly name: string;
      readonly type: number;
    }
  | {
      readonly id: number;
      readonly kind: "func";
      readonly name: string;
      readonly type: number;
      readonly linkage: BtfLinkage;
    }
  | {
      readonly id: number;
      readonly kind: "func_proto";
      readonly name: "";
      readonly type: number;
      readonly parameters: readonly { readonly name: string; readonly type: number }[];
    }
  | {
      readonly id: number;
      readonly kind: "var";
      readonly name: string;
      readonly type: number;
      readonly linkage: BtfLinkage;
    }
  | {
      readonly id: number;
      readonly kind: "datasec";
      readonly name: string;
      readonly size: number;
      readonly entries: readonly BtfSectionEntry[];
    }
  | { readonly id: number; readonly kind: "float"; readonly name: string; readonly size: number }
  | {
      readonly id: number;
      readonly kind: "decl_tag";
      readonly name: string;
      readonly type: number;
      /** The member or parameter that is tagged; -1 for the type itself. */
      readonly componentIndex: number;
    };

/** `BTF_VAR_*` and `BTF_FUNC_*`: 0 static, 1 global, 2 extern. */
export type BtfLinkage = "static" | "global" | "extern";

/** A BTF type of one kind. */
export type BtfTypeOf<Kind extends BtfType["kind"]> = BtfType extends infer T extends BtfType
  ? T extends BtfType
    ? [Extract<T["kind"], Kind>] extends [never]
      ? never
      : T
    : never
  : never;
