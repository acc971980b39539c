import { type Input, littleEndian } from "./bytes.js";
import { type Codec, type Scope, s32, u8, u16, u32, u64 } from "./codec.js";
import { NetlinkDecodeError } from "./errors.js";
import { SubMessage } from "./sub-message.js";
import { asciiText, string } from "./text.js";

/** What decoding and encoding ask of a declared attribute, where it is quicker to find than in the codec. */
export interface Entry {
  readonly name: string;
  readonly id: number;
  /** Its place among the declarations. */
  readonly place: number;
  /** nla_type with the flags that it is written with. */
  readonly type: number;
  readonly typeFlags: number;
  readonly codec: Codec<unknown, never>;
  readonly form: Form;
  readonly repeats: boolean;
  readonly subMessage: SubMessage<Record<string, Codec<unknown, never>>> | undefined;
  /** Whether {@link decodePlain} may be tried. */
  readonly plain: boolean;
}

// The commonest payloads are read here: calling one of a hundred codecs takes longer than what it does.
type Form = (typeof Form)[keyof typeof Form];
const Form = { OTHER: 0, U8: 1, U16: 2, U32: 3, S32: 4, U64: 5, STRING: 6, EXACT: 7 } as const;

/** Puts together what is asked of a declared attribute. */
export function entryOf(name: string, id: number, codec: Codec<unknown, never>, place: number): Entry {
  const typeFlags = codec.typeFlags ?? 0;
  const subMessage = codec instanceof SubMessage ? codec : undefined;
  const repeats = codec.repeats ?? false;
  const plain = !repeats && !subMessage;
  return {
    name,
    id,
    place,
    type: id | typeFlags,
    typeFlags,
    codec,
    form: formOf(codec),
    repeats,
    subMessage,
    plain,
  };
}

function formOf(codec: Codec<unknown, never>): Form {
  const known = codec as unknown;
  if (known === u8) return Form.U8;
  if (known === u16) return Form.U16;
  if (known === u32) return Form.U32;
  if (known === s32) return Form.S32;
  if (known === u64) return Form.U64;
  if (codec.decode === string.decode && codec.exact === string.exact) return Form.STRING;
  return codec.exact === undefined ? Form.OTHER : Form.EXACT;
}

/**
 * The value of a payload that encoding would write just so.
 * @returns undefined where it would not, or where the payload does not fit the declaration
 */
export function decodePlain(
  entry: Entry,
  input: Input,
  from: number,
  to: number,
  scope: Scope | undefined,
): unknown {
  switch (entry.form) {
    case Form.U8:
      return to - from === 1 ? input.bytes[from] : undefined;
    case Form.U16:
      return to - from === 2 ? input.view.getUint16(from, littleEndian) : undefined;
    case Form.U32:
      return to - from === 4 ? input.view.getUint32(from, littleEndian) : undefined;
    case Form.S32:
      return to - from === 4 ? input.view.getInt32(from, littleEndian) : undefined;
    case Form.U64:
      return to - from === 8 ? input.view.getBigUint64(from, littleEndian) : undefined;
    case Form.STRING:
      return asciiText(input.bytes, from, to) ?? decodeExact(entry, input, from, to, scope);
    case Form.EXACT:
      return decodeExact(entry, input, from, to, scope);
    default:
      return decodeWithin(entry, input, from, to, scope);
  }
}

function decodeExact(entry: Entry, input: Input, from: number, to: number, scope: Scope | undefined) {
  return entry.codec.exact?.(input, from, to) ? decodeWithin(entry, input, from, to, scope) : undefined;
}

/** The value of a payload; undefined where it does not fit the declaration. */
export function decodeAny(
  entry: Entry,
  input: Input,
  from: number,
  to: number,
  scope: Scope | undefined,
): unknown {
  return entry.form > Form.OTHER && entry.form < Form.STRING
    ? decodePlain(entry, input, from, to, scope)
    : decodeWithin(entry, input, from, to, scope);
}

/** Decodes a payload. @throws NetlinkDecodeError that names the attribute */
export function decodeWithin(
  entry: Entry,
  input: Input,
  from: number,
  to: number,
  scope: Scope | undefined,
): unknown {
  try {
    return entry.codec.decode(input, from, to, scope);
  } catch (error) {
    throw error instanceof NetlinkDecodeError ? error.within(entry.name) : error;
  }
}
