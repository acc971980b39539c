import type { Codec } from "./schema/codec.js";

/** What the messages of a netlink family are called, and how their bodies read. */
export interface MessageTypes {
  /**
   * The constant that names a message, such as "RTM_NEWLINK"; undefined where the family has no such type.
   * @param flags nlmsg_flags: some families number requests and answers apart
   */
  nameOf(type: number, body: Uint8Array, flags?: number): string | undefined;
  /** The type that a name stands for. */
  typeOf(name: string): number | undefined;
  /** How a body reads: a struct followed by attributes. Undefined where it is not known here. */
  schemaOf(type: number, body: Uint8Array, flags?: number): Codec<unknown, never> | undefined;
  /** What the request flags mean for a message: several bits mean different things for GET, NEW and DEL. */
  verbOf(type: number): "get" | "new" | "delete" | undefined;
}
