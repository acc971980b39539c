import type { Input, Output } from "./bytes.js";
import type { Codec, Decoded, Encodable, Scope } from "./codec.js";
import { NetlinkEncodeError } from "./errors.js";

/** How a payload reads, by the value of the attribute that selects it. */
export type Kinds = Readonly<Record<string, Codec<unknown, never>>>;

/** A payload whose form a sibling attribute names. Bytes stand for forms that are not declared. */
export class SubMessage<const K extends Kinds>
  implements Codec<Decoded<K[keyof K]> | Uint8Array, Encodable<K[keyof K]> | Uint8Array>
{
  readonly nests = true;
  /** The forms by their selector. */
  readonly kinds: K;
  readonly #selector: string;

  constructor(selector: string, kinds: K) {
    this.kinds = kinds;
    this.#selector = selector;
  }

  /** Whether the selector has been decoded. */
  ready(values: Readonly<Record<string, unknown>>, outer: Scope | undefined): boolean {
    return this.#selected({ values, parent: outer, depth: 0 }) !== undefined;
  }

  decode(input: Input, start: number, end: number, scope: Scope | undefined) {
    const codec = this.#codec(scope);
    return (codec ? codec.decode(input, start, end, scope) : input.bytes.slice(start, end)) as
      | Decoded<K[keyof K]>
      | Uint8Array
      | undefined;
  }

  encode(output: Output, value: Encodable<K[keyof K]> | Uint8Array, scope: Scope | undefined): void {
    if (value instanceof Uint8Array) {
      output.append(value);
      return;
    }
    const codec = this.#codec(scope);
    if (!codec)
      throw new NetlinkEncodeError(
        `the payload for ${this.#selector} "${String(this.#selected(scope))}" must be given as bytes`,
      );
    codec.encode(output, value as never, scope);
  }

  locate(input: Input, start: number, end: number, offset: number, scope: Scope | undefined): string[] {
    return this.#codec(scope)?.locate?.(input, start, end, offset, scope) ?? [];
  }

  nameWithin(
    input: Input,
    start: number,
    end: number,
    nest: number,
    type: number,
    scope: Scope | undefined,
  ): string[] | undefined {
    return this.#codec(scope)?.nameWithin?.(input, start, end, nest, type, scope);
  }

  #codec(scope: Scope | undefined): Codec<unknown, never> | undefined {
    const kind = this.#selected(scope);
    return kind !== undefined && Object.hasOwn(this.kinds, kind) ? this.kinds[kind] : undefined;
  }

  #selected(scope: Scope | undefined): string | undefined {
    for (let around = scope; around; around = around.parent) {
      const value = around.values[this.#selector];
      if (typeof value === "string") return value;
    }
    return undefined;
  }
}

/**
 * Declares a payload whose form a sibling names.
 * @param selector the name of the sibling, or of an attribute further out
 * @param kinds the forms by the sibling's value
 */
export function subMessage<const K extends Kinds>(selector: string, kinds: K): SubMessage<K> {
  return new SubMessage(selector, kinds);
}
