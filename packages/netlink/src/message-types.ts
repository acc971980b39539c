import type { Codec } from "./schema/codec.js";

/** What the messages of a netlink family are called, and how their bodies read. */
export interface MessageTypes {
  /** The constant that names a message type, such as "RTM_NEWLINK"; undefined where the family has no such type. */
  nameOf(type: number, body: Uint8Array): string | undefined;
  /** The type that a name stands for. */
  typeOf(name: string): number | undefined;
  /** How a body reads: a struct followed by attributes. Undefined where it is not known here. */
  schemaOf(type: number, body: Uint8Array): Codec<unknown, never> | undefined;
  /** What the request flags mean for a message: several bits mean different things for GET, NEW and DEL. */
  verbOf(type: number): "get" | "new" | "delete" | undefined;
}
