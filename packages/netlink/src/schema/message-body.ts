import { Input, Output } from "./bytes.js";
import type { Codec, Scope } from "./codec.js";
import { NetlinkDecodeError } from "./errors.js";

/** What a struct followed by attributes decodes to. */
export interface HeaderAndAttributes<H, A> {
  header: H;
  attributes: A;
}
/** What a struct followed by attributes encodes from. */
export interface HeaderAndAttributesInput<H, A> {
  readonly header?: H | undefined;
  readonly attributes?: A | undefined;
}

/** On a body whose header does not end at a multiple of four bytes, as `struct rtgenmsg`: what odd bytes follow it. */
const unaligned: unique symbol = Symbol("unaligned");

/** A struct, aligned to four bytes, followed by attributes: the body of most messages. */
export class MessageBody<H, HIn, A, AIn>
  implements Codec<HeaderAndAttributes<H, A>, HeaderAndAttributesInput<HIn, AIn>>
{
  readonly nests = true;
  readonly header: Codec<H, HIn> & { readonly size: number };
  readonly attributes: Codec<A, AIn>;
  #attributesAt = 0;

  constructor(header: Codec<H, HIn> & { readonly size: number }, attributes: Codec<A, AIn>) {
    this.header = header;
    this.attributes = attributes;
  }

  /** Where the attributes start, in bytes. Asked for at the first use: it takes laying out the header. */
  get #start(): number {
    if (this.#attributesAt === 0) this.#attributesAt = (this.header.size + 3) & ~3;
    return this.#attributesAt;
  }

  decode(input: Input, start: number, end: number, scope?: Scope): HeaderAndAttributes<H, A> | undefined {
    if (end - start < this.header.size)
      throw new NetlinkDecodeError(
        `${end - start} bytes where a header of ${this.header.size} belongs`,
        start,
      );
    const header = this.header.decode(input, start, start + this.header.size, scope) as H;
    const attributes = this.attributes.decode(input, Math.min(start + this.#start, end), end, scope);
    if (attributes === undefined) return undefined;
    const value: HeaderAndAttributes<H, A> & { [unaligned]?: Uint8Array } = { header, attributes };
    if (this.#start !== this.header.size) {
      const gap = input.bytes.subarray(start + this.header.size, Math.min(start + this.#start, end));
      if (gap.length < this.#start - this.header.size || gap.some((byte) => byte !== 0))
        value[unaligned] = gap.slice();
    }
    return value;
  }

  encode(output: Output, value: HeaderAndAttributesInput<HIn, AIn>, scope?: Scope): void {
    this.header.encode(output, value.header ?? ({} as HIn), scope);
    if (this.#start !== this.header.size) {
      const rest = (value as { [unaligned]?: Uint8Array })[unaligned];
      if (rest) output.append(rest);
      else output.align();
    }
    if (value.attributes !== undefined) this.attributes.encode(output, value.attributes, scope);
  }

  locate(input: Input, start: number, end: number, offset: number, scope?: Scope): string[] {
    return this.attributes.locate?.(input, start + this.#start, end, offset, scope) ?? [];
  }

  nameWithin(input: Input, start: number, end: number, nest: number, type: number, scope?: Scope) {
    const from = start + this.#start;
    return this.attributes.nameWithin?.(input, from, end, nest <= start ? from : nest, type, scope);
  }
}

/** Declares a struct followed by attributes. */
export function message<H, HIn, A, AIn>(
  header: Codec<H, HIn> & { readonly size: number },
  attributes: Codec<A, AIn>,
): MessageBody<H, HIn, A, AIn> {
  return new MessageBody(header, attributes);
}

/** Decodes whole bytes. @throws NetlinkDecodeError where they are not well formed */
export function decode<Out>(codec: Codec<Out, never>, bytes: Uint8Array): Out {
  const value = codec.decode(new Input(bytes), 0, bytes.length, undefined);
  if (value === undefined) throw new NetlinkDecodeError("the bytes do not have the declared form", 0);
  return value;
}

/** A buffer that no encoding is using: a new one each time would cost more than most requests' encoding. */
let spare: Output | undefined;
const MAX_SPARE = 64 << 10;

/** Encodes a value to bytes. @throws NetlinkEncodeError where the value does not fit */
export function encode<In>(codec: Codec<unknown, In>, value: In): Uint8Array {
  const output = spare ?? new Output();
  // An encoder may call this again.
  spare = undefined;
  try {
    codec.encode(output, value, undefined);
    return output.finish();
  } finally {
    output.clear();
    if (output.bytes.length <= MAX_SPARE) spare = output;
  }
}
