import {
  addressMessage,
  type DecodedMessage,
  decodeMessage,
  decodeMessages,
  encodeMessage,
  etherProtocol,
  ethtool,
  GenericNetlink,
  genericMessages,
  type MessageTypes,
  NetlinkDecodeError,
  netdev,
  RtmType,
  routeMessage,
  rtnetlinkMessages,
  schema,
  wireguard,
} from "../index.js";
import { CommandError, type ExitCode, exitCode, UsageError } from "./errors.js";
import { parseHex, readStandardInput } from "./input.js";
import { toJson } from "./json.js";
import { DeviceNames } from "./names.js";
import { inNamespace } from "./netns.js";
import type { Terminal } from "./terminal.js";
import { formatInline, formatTree, type Meanings } from "./values.js";

/** Options of `weir-nl decode`. */
export interface DecodeOptions {
  readonly json?: boolean;
  readonly netns?: string;
  /** The bytes are a payload of this type. */
  readonly type?: string;
  readonly protocol?: "route" | "generic";
  readonly reencode?: boolean;
}

/** struct nlmsghdr: length, type, flags, sequence, port. */
const HEADER = 16;

/** `weir-nl decode`: what bytes say, with no need of a kernel that they came from. */
export function decode(words: readonly string[], options: DecodeOptions, terminal: Terminal): ExitCode {
  const standardInput = words.length === 0 || (words.length === 1 && words[0] === "-");
  const source = standardInput ? "standard input" : "HEX";
  const bytes = parseHex(standardInput ? readStandardInput() : words.join(" "), source);
  const types = options.protocol === "generic" ? genericTypes(options) : rtnetlinkMessages;
  const whole = options.type === undefined ? bytes : framed(bytes, options.type, types);
  const messages = decodeAll(whole, types, options.type === undefined ? 0 : HEADER);

  const encoded = options.reencode ? messages.map((message) => encode(message, types, options)) : undefined;
  if (options.json) {
    const reports = messages.map((message, place) => ({
      ...message,
      ...(encoded ? { reencoded: encoded[place] } : {}),
    }));
    terminal.print(toJson(reports.length === 1 ? reports[0] : reports));
  } else if (encoded) for (const one of encoded) terminal.print(Buffer.from(one).toString("hex"));
  else for (const message of messages) terminal.print(describe(message, terminal));

  if (encoded) {
    const given = Buffer.from(bytes).toString("hex");
    if (encoded.map((one) => Buffer.from(one).toString("hex")).join("") !== given)
      terminal.complain(
        "weir-nl: the bytes above differ from those that were decoded, whose padding or lengths are not as usual",
      );
  }
  return exitCode.OK;
}

/** Names, header and attributes of a message as lines. @param devices names, where the message is of this machine */
export function describe(
  message: DecodedMessage,
  { style }: Pick<Terminal, "style">,
  devices = new DeviceNames(),
): string {
  const { name, type, flagNames, sequence, port, header, attributes, bytes } = message;
  const meanings = meaningsOf(name, devices);
  const lines = [
    `${style.bold(name)}${name.startsWith("#") ? "" : ` (${type})`} flags ${flagNames.join("|") || "none"} sequence ${sequence} port ${port}`,
  ];
  if (header) lines.push("  header", ...formatTree(named(name, header), meanings));
  if (attributes) lines.push("  attributes", ...formatTree(attributes, { ...meanings, link: false }));
  if (bytes) lines.push(`  bytes ${bytes.length === 0 ? "(empty)" : Buffer.from(bytes).toString("hex")}`);
  return lines.join("\n");
}

/** A message's name and header on one line. */
export function describeBriefly({ name, header, bytes }: DecodedMessage, devices: DeviceNames): string {
  if (header) return `${name} ${formatInline(named(name, header), meaningsOf(name, devices))}`;
  return `${name} ${bytes?.length ?? 0} bytes`;
}

function meaningsOf(name: string, devices: DeviceNames): Meanings {
  return {
    devices,
    tc: /_(?:NEW|DEL|GET)(?:QDISC|TCLASS|TFILTER|CHAIN|ACTION)$/.test(name),
    link: /LINK(?:PROP)?$/.test(name),
  };
}

/** Address families that stand as numbers in headers: AF_* of include/linux/socket.h. */
const addressFamilies: Readonly<Record<number, string>> = {
  0: "unspec",
  2: "ipv4",
  7: "bridge",
  10: "ipv6",
  28: "mpls",
};

/** A header whose numbers have the names that its struct does not say. */
function named(name: string, header: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { family, flags, type, request, info, index, parent } = header;
  return {
    ...header,
    // A filter's priority and protocol share a word: tcm_info of struct tcmsg.
    ...(typeof info === "number" && /(?:TFILTER|CHAIN)$/.test(name) ? filterInfo(info) : {}),
    // TCM_IFINDEX_MAGIC_BLOCK: the parent is the number of a block.
    ...(index === -1 && /(?:TFILTER|CHAIN)$/.test(name)
      ? { index: undefined, parent: undefined, block: parent }
      : {}),
    ...(typeof family === "number" ? { family: addressFamilies[family] ?? family } : {}),
    // Addresses have the lower eight of their flags in the header.
    ...(typeof flags === "number" && /ADDR$/.test(name) ? { flags: addressFlags(flags) } : {}),
    ...(typeof type === "number" && /NEIGH$/.test(name) ? { type: routeType(type) } : {}),
    ...(request === undefined ? {} : { request: namedRequest(request as Readonly<Record<string, number>>) }),
  };
}

/** The priority, and the protocol in network byte order. */
function filterInfo(info: number): Readonly<Record<string, unknown>> {
  const protocol = ((info & 0xff) << 8) | ((info >>> 8) & 0xff);
  const name = Object.entries(etherProtocol.names).find(([, number]) => number === protocol)?.[0];
  return { info: undefined, priority: info >>> 16, protocol: name ?? `0x${protocol.toString(16)}` };
}

/** Names that other messages have for the same numbers. */
function addressFlags(flags: number): unknown {
  const header = schema.encode(addressMessage, { attributes: { flags } });
  return payload(RtmType.RTM_NEWADDR, header).attributes?.flags;
}

function routeType(type: number): unknown {
  const body = schema.encode(routeMessage, { header: { type } });
  return payload(RtmType.RTM_NEWROUTE, body).header?.type;
}

function payload(type: number, body: Uint8Array): DecodedMessage {
  return decodeMessage(encodeMessage({ type, bytes: body }));
}

/** The request that an error repeats: its type and flags by name. */
function namedRequest(request: Readonly<Record<string, number>>): Readonly<Record<string, unknown>> {
  const { type = 0, flags = 0 } = request;
  const bytes = encodeMessage({ type, flags, bytes: new Uint8Array(0) });
  const { name, flagNames } = decodeMessage(bytes, { ...rtnetlinkMessages, schemaOf: () => undefined });
  return { ...request, type: name.startsWith("#") ? type : name, flags: flagNames };
}

/** A payload as a whole message. */
function framed(payload: Uint8Array, type: string, types: MessageTypes): Uint8Array {
  const number = /^(0x[0-9a-f]{1,4}|[0-9]{1,5})$/i.test(type)
    ? Number(type)
    : types.typeOf(type.toUpperCase());
  if (number === undefined || number > 0xffff)
    throw new UsageError(
      `--type ${type} is no message type: give a name such as ${types === rtnetlinkMessages ? "RTM_NEWLINK" : "CTRL_CMD_NEWFAMILY"}, or its number`,
    );
  return encodeMessage({ type: number, bytes: payload }, types);
}

function decodeAll(bytes: Uint8Array, types: MessageTypes, shift: number): DecodedMessage[] {
  const messages: DecodedMessage[] = [];
  try {
    for (const message of decodeMessages(bytes, types)) messages.push(message);
    return messages;
  } catch (error) {
    if (!(error instanceof NetlinkDecodeError)) throw error;
    const which =
      messages.length === 0
        ? "the bytes are no whole message"
        : `message ${messages.length + 1} is not whole`;
    const place = error.path === "" ? "" : ` in ${error.path}`;
    const advice =
      shift > 0
        ? "give a whole payload of that type, without the message's header"
        : "give whole messages with their 16-byte headers, or a payload with --type NAME";
    throw new CommandError(`${which}: ${error.reason}${place}; ${advice}`, { cause: error });
  }
}

function encode(message: DecodedMessage, types: MessageTypes, { type }: DecodeOptions): Uint8Array {
  const whole = encodeMessage(message, types);
  return type === undefined ? whole : whole.subarray(HEADER);
}

/** Generic netlink numbers its families anew at every boot: those of the running kernel, where they can be asked for. */
function genericTypes({ netns }: DecodeOptions): MessageTypes {
  using generic = inNamespace(netns, (where) => GenericNetlink.open(where));
  const known = [ethtool, netdev, wireguard].flatMap((declaration) => {
    const family = generic.families.find(declaration.name);
    return family === undefined ? [] : [{ id: family.id, declaration }];
  });
  return genericMessages(known);
}
