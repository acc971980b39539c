import type { DumpOptions } from "../dump.js";
import type { MessageView } from "../message.js";
import type { MessageTypes } from "../message-types.js";
import { Monitor } from "../monitor.js";
import type { NetlinkRequest } from "../request.js";
import type { Input } from "../schema/bytes.js";
import { type Codec, mapped } from "../schema/codec.js";
import { NetlinkDecodeError, NetlinkEncodeError } from "../schema/errors.js";
import { encode } from "../schema/message-body.js";
import { NetlinkProtocol, NetlinkSocket, type NetlinkSocketOptions } from "../socket.js";
import { controller } from "./controller.js";
import { Families, type Family } from "./families.js";
import { bodyOf, type FamilyDeclaration, type ReplyOf, type RequestOf } from "./family.js";
import { genericMessages } from "./messages.js";

/** What a family tells of its own accord. */
export interface GenericEvent {
  /** The notification's or command's constant, "resync" where the kernel had to drop some, "#7" where it has no name. */
  readonly type: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** A socket for generic netlink, where families have names. Methods are synchronous; only a monitor waits. */
export class GenericNetlink implements Disposable {
  /** The socket underneath. */
  readonly socket: NetlinkSocket;
  /** The families that the kernel has. */
  readonly families: Families;
  readonly #options: NetlinkSocketOptions;

  private constructor(options: NetlinkSocketOptions) {
    this.#options = options;
    this.socket = NetlinkSocket.open(NetlinkProtocol.GENERIC, options);
    this.families = new Families(this.socket);
  }

  /** Opens a socket in a network namespace. @throws SystemError */
  static open(options: NetlinkSocketOptions = {}): GenericNetlink {
    return new GenericNetlink(options);
  }

  /** Looks a declared family up, for requests. @throws NetlinkError ENOENT where the kernel does not have it */
  use<const F extends FamilyDeclaration>(declaration: F): GenericFamily<F> {
    return new GenericFamily(this.socket, declaration, this.families.get(declaration.name));
  }

  /**
   * What a family tells from now on, as an async iterable with a socket of its own: leave the loop, or close it.
   * @param groups the names of the family's multicast groups; default all
   */
  monitor(declaration: FamilyDeclaration, groups?: readonly string[]): Monitor<GenericEvent> {
    const family = this.families.get(declaration.name);
    const joined = groups ?? family.groups.map(({ name }) => name);
    const numbers = joined.map((name) => {
      const group = family.groups.find((one) => one.name === name);
      if (!group) throw new NetlinkEncodeError(`the family ${family.name} has no group "${name}"`);
      return group.id;
    });
    const socket = NetlinkSocket.open(NetlinkProtocol.GENERIC, this.#options);
    try {
      for (const number of numbers) socket.join(number);
      const types = genericMessages([{ id: family.id, declaration }]);
      return new Monitor<GenericEvent>(
        socket,
        (input, message) => eventOf(input, message, types),
        () => [{ type: "resync", attributes: {} }],
      );
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Closes the socket; a second call does nothing. */
  close(): void {
    this.socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A family that the kernel has, and whose messages are declared. */
export class GenericFamily<const F extends FamilyDeclaration> {
  /** What the kernel says of the family. */
  readonly family: Family;
  readonly declaration: F;
  readonly #socket: NetlinkSocket;

  /** Made by {@link GenericNetlink.use}. */
  constructor(socket: NetlinkSocket, declaration: F, family: Family) {
    this.#socket = socket;
    this.declaration = declaration;
    this.family = family;
  }

  /** Sends a command that answers with one message. @throws NetlinkError */
  get<K extends keyof F["commands"] & string>(
    command: K,
    attributes: RequestOf<F["commands"][K]>,
  ): ReplyOf<F["commands"][K]> {
    return this.#socket.get(this.#request(command, attributes), this.#reply(command));
  }

  /** Sends a command that answers with a table; each iteration asks anew. */
  dump<K extends keyof F["commands"] & string>(
    command: K,
    attributes: RequestOf<F["commands"][K]> = {} as RequestOf<F["commands"][K]>,
    options?: DumpOptions,
  ): Iterable<ReplyOf<F["commands"][K]>> {
    return this.#socket.dump(this.#request(command, attributes), this.#reply(command), options);
  }

  /**
   * Sends a command that changes something.
   * @returns the kernel's warning, where it has one
   * @throws NetlinkError where the kernel refuses
   */
  acknowledge<K extends keyof F["commands"] & string>(
    command: K,
    attributes: RequestOf<F["commands"][K]>,
  ): string | undefined {
    return this.#socket.acknowledge(this.#request(command, attributes));
  }

  #request(command: string, attributes: unknown): NetlinkRequest {
    const { name, version, commands } = this.declaration;
    const one = commands[command];
    if (!one) throw new NetlinkEncodeError(`the family ${name} has no command "${command}"`);
    const schema = bodyOf(this.declaration, one.request as Codec<unknown, unknown>);
    const action = `ask the family ${name} for ${command}`;
    try {
      const body = encode(schema, { header: { command: one.id, version }, attributes });
      return { operation: one.constant, action, type: this.family.id, body, schema };
    } catch (error) {
      if (error instanceof NetlinkEncodeError) error.message = `could not ${action}: ${error.message}`;
      throw error;
    }
  }

  #reply<K extends keyof F["commands"] & string>(command: K): Codec<ReplyOf<F["commands"][K]>, never> {
    const { request, reply = request } = this.declaration.commands[command] as {
      request: Codec<unknown, never>;
      reply?: Codec<unknown, never>;
    };
    return mapped(
      bodyOf(this.declaration, reply),
      ({ attributes }) => attributes as ReplyOf<F["commands"][K]>,
      (value: never) => value,
    );
  }
}

/** The controller's declaration, whose number is the same on every machine. */
export const controllerFamily = controller;

function eventOf(input: Input, message: MessageView, types: MessageTypes): GenericEvent | undefined {
  const { type, start, end } = message;
  const body = input.bytes.subarray(start, end);
  const name = types.nameOf(type, body, 0) ?? `#${body[0]}`;
  try {
    const value = types.schemaOf(type, body, 0)?.decode(input, start, end, undefined);
    return { type: name, attributes: (value as { attributes?: Record<string, unknown> })?.attributes ?? {} };
  } catch (error) {
    // One malformed message must not end the monitor.
    if (!(error instanceof NetlinkDecodeError)) throw error;
    return { type: name, attributes: {} };
  }
}
