import type { BtfValue } from "./codec.js";
import { type Node, show, within } from "./codec-nodes.js";
import { BtfError, BtfValueError } from "./error.js";

type Fields = { [member: string]: BtfValue };

/** Some members of a struct: one with a name, or an anonymous union with the names of all its members. */
export interface Part {
  readonly names: readonly string[];
  read(view: DataView, at: number, into: Fields): void;
  write(view: DataView, at: number, from: Fields): void;
}

/** A named member at a byte offset. */
export function member(name: string, offset: number, node: Node): Part {
  return {
    names: [name],
    read(view, at, into) {
      into[name] = node.read(view, at + offset);
    },
    write(view, at, from) {
      if (!Object.hasOwn(from, name)) throw new BtfValueError(name, "is missing");
      within(name, () => node.write(view, at + offset, from[name]!));
    },
  };
}

/** The parts of an anonymous struct, seen from the struct that encloses it. */
export function shifted(part: Part, offset: number): Part {
  if (offset === 0) return part;
  return {
    names: part.names,
    read: (view, at, into) => part.read(view, at + offset, into),
    write: (view, at, from) => part.write(view, at + offset, from),
  };
}

/** One way to see the bytes of a union. */
export interface Alternative {
  readonly size: number;
  readonly parts: readonly Part[];
}

/** The members of a union, which share their bytes. */
export function union(alternatives: readonly Alternative[]): Part {
  const names = alternatives.flatMap(({ parts }) => parts.flatMap((part) => part.names));
  const namesOf = new Map(alternatives.map((choice) => [choice, choice.parts.flatMap((part) => part.names)]));
  return {
    names,
    read(view, at, into) {
      for (const { parts } of alternatives) for (const part of parts) part.read(view, at, into);
    },
    write(view, at, from) {
      const given = alternatives.filter((choice) =>
        namesOf.get(choice)!.some((name) => Object.hasOwn(from, name)),
      );
      if (given.length === 0 && names.length === 0) return;
      if (given.length === 0) throw new BtfValueError("", `one of ${names.join(", ")} is needed`);
      const images = given.map((choice) => ({ choice, image: encode(choice, from) }));
      const widest = images.reduce((a, b) => (b.choice.size > a.choice.size ? b : a));
      for (const other of images) if (other !== widest) requireAgreement(other, widest);
      new Uint8Array(view.buffer, view.byteOffset + at, widest.image.length).set(widest.image);
    },
  };
}

type Image = { choice: Alternative; image: Uint8Array };

function encode({ size, parts }: Alternative, from: Fields): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const part of parts) part.write(new DataView(bytes.buffer), 0, from);
  return bytes;
}

// A value that was read has every member of a union; changing one of them and writing it back must not pick a winner in
// silence. The comparison goes through the members, for padding in one may be data in another.
function requireAgreement(other: Image, widest: Image): void {
  const seen: Fields = {};
  for (const part of other.choice.parts) part.read(new DataView(widest.image.buffer), 0, seen);
  const again = encode(other.choice, seen);
  if (again.every((byte, i) => byte === other.image[i])) return;
  const names = ({ choice }: Image) => choice.parts.flatMap((part) => part.names).join(", ");
  throw new BtfValueError(
    names(other),
    `shares its bytes with ${names(widest)}, whose value says otherwise; give only one of them`,
  );
}

/** A struct or union made of parts. Throws {@link BtfError} if two members have the same name. */
export function struct(what: string, size: number, parts: readonly Part[]): Node {
  const known = new Set<string>();
  if (parts.some((part) => part.names.includes("__proto__"))) {
    throw new BtfError(
      "BTF_LIMIT",
      `${what} has a member named "__proto__", which no JavaScript object can have`,
    );
  }
  for (const name of parts.flatMap((part) => part.names)) {
    if (known.has(name)) throw new BtfError("BTF_RANGE", `${what} has two members named "${name}"`);
    known.add(name);
  }
  return {
    size,
    read(view, at) {
      const fields: Fields = {};
      for (const part of parts) part.read(view, at, fields);
      return fields;
    },
    write(view, at, value) {
      if (
        typeof value !== "object" ||
        value === null ||
        Array.isArray(value) ||
        value instanceof Uint8Array
      ) {
        throw new BtfValueError("", `expected an object with the members of ${what}, not ${show(value)}`);
      }
      for (const name of Object.keys(value)) {
        if (!known.has(name)) throw new BtfValueError(name, `${what} has no such member`);
      }
      for (const part of parts) part.write(view, at, value);
    },
  };
}
