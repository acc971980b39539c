import { Fd } from "@weir/syscall";
import { hostLittleEndian } from "../asm.js";
import type { Codec } from "../btf/codec.js";

/** Something open in the kernel: a map, a program, a link, or a descriptor itself. */
export type Descriptor = Fd | { readonly fd: Fd };

/** The number of a descriptor. Throws EBADF once it is closed. */
export function descriptorNumber(descriptor: Descriptor): number {
  return (descriptor instanceof Fd ? descriptor : descriptor.fd).number;
}

/**
 * Values of maps that hold descriptors: written as {@link Descriptor} or number, read as what the kernel makes of it
 * (an id, or a socket's cookie): a number for 4 bytes, a bigint for 8.
 */
export function descriptorCodec(size: number): Codec<number | bigint | Descriptor> {
  const codec: Codec<number | bigint | Descriptor> = {
    size,
    decode: (bytes) => codec.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0),
    encode(value) {
      const bytes = new Uint8Array(size);
      codec.write(new DataView(bytes.buffer), 0, value);
      return bytes;
    },
    read: (view, at) =>
      size === 8 ? view.getBigUint64(at, hostLittleEndian) : view.getUint32(at, hostLittleEndian),
    write(view, at, value) {
      const number = toNumber(value);
      if (size === 8) view.setBigUint64(at, BigInt(number), hostLittleEndian);
      else view.setUint32(at, number, hostLittleEndian);
    },
  };
  return codec;
}

function toNumber(value: unknown): number {
  if (value instanceof Fd) return value.number;
  if (typeof value === "object" && value !== null && "fd" in value && value.fd instanceof Fd)
    return value.fd.number;
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= 0x7fff_ffff)
    return number;
  throw new RangeError("expected an open map, program, link or descriptor, or its number");
}
