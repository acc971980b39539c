import { Input, littleEndian } from "../schema/bytes.js";
import { type Codec, orUnknown } from "../schema/codec.js";
import { NetlinkDecodeError } from "../schema/errors.js";
import { LazyReader, readersOf } from "../schema/lazy-object.js";
import { only, Pick, type PickedValue } from "../schema/pick.js";
import type { Link } from "./link.js";
import { afSpec, inet6, type LinkAttributes, linkAttributes, linkFlags } from "./link-schema.js";
import { vfsOf } from "./vf.js";

/** sizeof(struct ifinfomsg), and where its fields are. */
const HEADER = 16;
const TYPE = 2;
const INDEX = 4;
const FLAGS = 8;
const IFF_UP = 1;

/**
 * A link message's body as a {@link Link}. Its properties are decoded when they are read: a message has more than
 * fifty attributes, of which most callers want one or two.
 */
export const linkReply: Codec<Link, never> = {
  decode: (input, start, end) => readerOf(input.keep(), start, end).object(),
  encode: () => {},
};

/** As {@link linkReply}, but everything is decoded at once. */
export const wholeLinkReply: Codec<Link, never> = {
  decode: (input, start, end) => readerOf(input, start, end).plain(),
  encode: () => {},
};

function readerOf(input: Input, start: number, end: number): LinkReader {
  if (end - start < HEADER)
    throw new NetlinkDecodeError(`${end - start} bytes where a header of ${HEADER} belongs`, start);
  return new LinkReader(input, start, end);
}

const picked = new Pick(
  linkAttributes,
  [
    "name",
    "linkinfo",
    "operState",
    "mtu",
    "address",
    "broadcast",
    "link",
    "linkNetnsId",
    "master",
    "alias",
    "properties",
    "qdisc",
    "txQueueLength",
    "numTxQueues",
    "numRxQueues",
    "gsoMaxSize",
    "gsoMaxSegments",
    "group",
    "carrier",
    "afSpec",
    "stats64",
    "xdp",
    "numVfs",
    "vfs",
  ],
  { afSpec: orUnknown(only(afSpec, "inet6", only(inet6, "addrGenMode"))) },
);

/** How many attributes are looked for one by one, before all of them are decoded in one pass. */
const SINGLE_READS = 3;

class LinkReader extends LazyReader<Link> {
  #input: Input;
  readonly #start: number;
  readonly #end: number;
  #values: unknown[] | undefined;
  #reads = 0;

  constructor(input: Input, start: number, end: number) {
    super();
    this.#input = input;
    this.#start = start;
    this.#end = end;
  }

  protected get readers() {
    return readers;
  }

  u16(offset: number): number {
    return this.#input.view.getUint16(this.#start + offset, littleEndian);
  }

  u32(offset: number): number {
    return this.#input.view.getUint32(this.#start + offset, littleEndian);
  }

  attribute(place: number): unknown {
    if (this.#values === undefined && ++this.#reads <= SINGLE_READS)
      return picked.find(this.#input, this.#start + HEADER, this.#end, place);
    this.#values ??= picked.decode(this.#input, this.#start + HEADER, this.#end);
    return this.#values[place];
  }

  attributes(): LinkAttributes {
    return linkAttributes.decode(this.#input, this.#start + HEADER, this.#end) as LinkAttributes;
  }

  flags(): Link["flags"] {
    return linkFlags.read(this.#input, this.#start + FLAGS);
  }

  protected override release(): void {
    this.#input = NOTHING;
    this.#values = undefined;
  }
}

const NOTHING = new Input(new Uint8Array(0));

function attribute<const Name extends Parameters<typeof picked.place>[0]>(name: Name) {
  const place = picked.place(name);
  return (wire: LinkReader) => wire.attribute(place) as PickedValue<typeof picked, Name>;
}

const info = attribute("linkinfo");
const mtu = attribute("mtu");
const name = attribute("name");
const properties = attribute("properties");
const vfs = attribute("vfs");

const readers = readersOf<LinkReader, Link>({
  index: (wire) => wire.u32(INDEX) | 0,
  name: (wire) => name(wire) ?? "",
  kind: (wire) => info(wire)?.kind,
  data: (wire) => info(wire)?.data as Link["data"],
  portKind: (wire) => info(wire)?.portKind,
  portData: (wire) => info(wire)?.portData,
  flags: (wire) => wire.flags(),
  up: (wire) => (wire.u32(FLAGS) & IFF_UP) !== 0,
  operState: attribute("operState"),
  type: (wire) => wire.u16(TYPE),
  mtu: (wire) => mtu(wire) ?? 0,
  address: attribute("address"),
  broadcast: attribute("broadcast"),
  link: attribute("link"),
  linkNetnsId: attribute("linkNetnsId"),
  master: attribute("master"),
  alias: attribute("alias"),
  altNames: (wire) => properties(wire)?.altNames ?? [],
  qdisc: attribute("qdisc"),
  txQueueLength: attribute("txQueueLength"),
  numTxQueues: attribute("numTxQueues"),
  numRxQueues: attribute("numRxQueues"),
  gsoMaxSize: attribute("gsoMaxSize"),
  gsoMaxSegments: attribute("gsoMaxSegments"),
  group: attribute("group"),
  carrier: attribute("carrier"),
  addrGenMode: attribute("afSpec"),
  stats: attribute("stats64"),
  xdp: attribute("xdp"),
  numVfs: attribute("numVfs"),
  vfs: (wire) => {
    const list = vfs(wire);
    return list === undefined ? [] : vfsOf(list);
  },
  attributes: (wire) => wire.attributes(),
});
