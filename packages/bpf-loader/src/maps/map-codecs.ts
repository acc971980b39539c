import { possibleCpus } from "@weir/syscall";
import { type BtfValue, btfCodec, type Codec, indexCodec, rawCodec } from "../btf/codec.js";
import { readKernelBtf } from "../kernel/kernel-btf.js";
import { descriptorCodec } from "./descriptor.js";
import type { MapInfo } from "./map-info.js";
import { hasDescriptorKeys, holdsDescriptors, isIndexed, isRedirect } from "./map-kinds.js";

/** How keys and values are read and written. */
export interface MapCodecs {
  readonly key: Codec;
  /** Of one value; per-CPU maps have one for each CPU. */
  readonly value: Codec;
}

/**
 * The codecs of a map as it is used: those that were given, or by default those of its own BTF; but descriptors where
 * the type holds them, and all CPUs' values where each has its own.
 */
export function codecsOf(info: MapInfo, given: MapCodecs | undefined, perCpu: boolean): MapCodecs {
  const keys = hasDescriptorKeys(info.type) ? descriptorCodec(info.keySize) : undefined;
  const values = holdsDescriptors(info.type) ? descriptorCodec(info.valueSize) : undefined;
  const rest = keys && values ? undefined : (given ?? kernelCodecs(info));
  const key = (keys as unknown as Codec | undefined) ?? rest!.key;
  const value = (values as unknown as Codec | undefined) ?? rest!.value;
  return { key, value: perCpu ? perCpuCodec(info.name, value, info.valueSize) : value };
}

/** Bytes from one CPU's value to the next: the kernel rounds up to 8. */
export function perCpuStride(valueSize: number): number {
  return Math.ceil(valueSize / 8) * 8;
}

/** Codecs from the map's own BTF. */
function kernelCodecs(info: MapInfo): MapCodecs {
  const btf = info.btfId === 0 ? undefined : readKernelBtf(info.btfId);
  const codec = (type: number, size: number) =>
    btf && type !== 0 ? btfCodec(btf, type) : (rawCodec(size) as unknown as Codec);
  return {
    key:
      info.btfKeyTypeId === 0 && isIndexed(info.type)
        ? (indexCodec as unknown as Codec)
        : codec(info.btfKeyTypeId, info.keySize),
    value:
      info.btfValueTypeId === 0 && info.valueSize === 4 && isRedirect(info.type)
        ? (indexCodec as unknown as Codec)
        : codec(info.btfValueTypeId, info.valueSize),
  };
}

/** An array with one value for each possible CPU. */
function perCpuCodec(name: string, codec: Codec, valueSize: number): Codec {
  const stride = perCpuStride(valueSize);
  const cpus = possibleCpus();
  const size = stride * cpus;
  const all: Codec = {
    size,
    decode: (bytes) => all.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0),
    encode(value) {
      const bytes = new Uint8Array(size);
      all.write(new DataView(bytes.buffer), 0, value);
      return bytes;
    },
    read(view, at) {
      const values: BtfValue[] = [];
      for (let cpu = 0; cpu < cpus; cpu++) values.push(codec.read(view, at + cpu * stride));
      return values;
    },
    write(view, at, value) {
      if (!Array.isArray(value) || value.length !== cpus) {
        throw new RangeError(
          `a value of map "${name}" is an array with one element for each of ${cpus} possible CPUs`,
        );
      }
      for (let cpu = 0; cpu < cpus; cpu++) codec.write(view, at + cpu * stride, value[cpu]!);
    },
  };
  return all;
}
