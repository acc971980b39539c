import type { AttributesInput, AttributesOf } from "../schema/attributes.js";
import { type Codec, u8 } from "../schema/codec.js";
import { MessageBody } from "../schema/message-body.js";
import { padding, type Struct, struct } from "../schema/struct.js";

/** The header of generic netlink messages: include/uapi/linux/genetlink.h. */
export const genlmsghdr = struct("genlmsghdr", { command: u8, version: u8, reserved: padding(2) });

/** What a command takes and gives. */
export interface Command<Request, Reply> {
  /** The constant that names the command, such as "NETDEV_CMD_DEV_GET". */
  readonly constant: string;
  /** Its number in requests. */
  readonly id: number;
  /** The number of its answers where it is another one, as in ethtool's; and the constant of that number. */
  readonly replyId?: number;
  readonly replyConstant?: string;
  /** How a request's attributes read. */
  readonly request: Codec<unknown, Request>;
  /** How an answer's attributes read; default as those of the request. */
  readonly reply?: Codec<Reply, never>;
}

/** A command, whatever it takes and gives. */
// biome-ignore lint/suspicious/noExplicitAny: any command fits
export type AnyCommand = Command<any, any>;
/** The commands of a family, by the names that they have here. */
export type Commands = Readonly<Record<string, AnyCommand>>;

/** What a command takes. */
export type RequestOf<C> = C extends { readonly request: infer R }
  ? R extends Codec<infer _Out, infer In>
    ? In
    : never
  : never;
/** What a command gives. */
export type ReplyOf<C> = C extends { readonly reply: Codec<infer Out, never> }
  ? Out
  : C extends { readonly request: Codec<infer Out, infer _In> }
    ? Out
    : never;

/** What the kernel tells of its own accord. */
export interface Notification {
  readonly constant: string;
  readonly id: number;
  readonly attributes: Codec<unknown, never>;
}

/** A generic netlink family: its commands and their attributes in one declaration. */
export interface FamilyDeclaration<C extends Commands = Commands> {
  /** The name by which the kernel knows it, such as "ethtool". */
  readonly name: string;
  /** The version of its messages. */
  readonly version: number;
  readonly commands: C;
  readonly notifications?: Readonly<Record<string, Notification>>;
  /** The struct that messages begin with, where the family puts more into it than `struct genlmsghdr`. */
  readonly header?: Struct<never>;
}

/** Declares a generic netlink family. */
export function genericFamily<const C extends Commands>(
  declaration: FamilyDeclaration<C>,
): FamilyDeclaration<C> {
  return declaration;
}

/** A message of a family: its header, and attributes of a form. */
export function bodyOf<Out, In>(
  family: FamilyDeclaration,
  attributes: Codec<Out, In>,
): MessageBody<unknown, { command: number; version: number }, Out, In> {
  return new MessageBody((family.header ?? genlmsghdr) as never, attributes);
}

/** Attributes as they are given and taken, for those who declare a family. */
export type { AttributesInput, AttributesOf };
