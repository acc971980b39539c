import type { Btf } from "./btf.js";
import { BtfError } from "./error.js";

/** Records of `.BTF.ext` that belong to instructions of one section, in ascending order of offset. */
export interface ExtRecords {
  /** Bytes of one record. */
  readonly recordSize: number;
  /** Offset of the instruction in its section, in bytes, for each record. */
  readonly offsets: Uint32Array;
  /** The records, one after the other, in the order of `offsets`. */
  readonly data: DataView;
}

/** What `.BTF.ext` says about the instructions of each section, by the section's name. */
export interface BtfExt {
  /** `struct bpf_func_info`: instruction offset, id of the FUNC. */
  readonly functions: ReadonlyMap<string, ExtRecords>;
  /** `struct bpf_line_info`: instruction offset, file name, source line, line and column. */
  readonly lines: ReadonlyMap<string, ExtRecords>;
  /** `struct bpf_core_relo`: instruction offset, type id, access string, kind. */
  readonly coreRelocations: ReadonlyMap<string, ExtRecords>;
}

const MAGIC = 0xeb9f;
const HEADER_SIZE = 24;
/** The longest record that is believed; today's have 8 and 16 bytes. */
const MAX_RECORD_SIZE = 256;

/** Reads a `.BTF.ext` section; `btf` gives the names. See Documentation/bpf/btf.rst, section 4.2. Throws {@link BtfError}. */
export function readBtfExt(bytes: Uint8Array, btf: Btf): BtfExt {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = btf.littleEndian;
  if (bytes.length < HEADER_SIZE || view.getUint16(0, little) !== MAGIC || view.getUint8(2) !== 1) {
    throw new BtfError("BTF_HEADER", ".BTF.ext does not begin with its header");
  }
  const headerLength = view.getUint32(4, little);
  if (headerLength < HEADER_SIZE || headerLength > bytes.length) {
    throw new BtfError(
      "BTF_HEADER",
      `.BTF.ext says that its header has ${headerLength} bytes of ${bytes.length}`,
    );
  }
  const part = (field: number, minimum: number) => {
    // The fields for CO-RE came later: a shorter header has none.
    if (field + 8 > headerLength) return new Map<string, ExtRecords>();
    const start = headerLength + view.getUint32(field, little);
    const end = start + view.getUint32(field + 4, little);
    if (end > bytes.length) throw new BtfError("BTF_TRUNCATED", ".BTF.ext places its records beyond its end");
    return readPart(new DataView(bytes.buffer, bytes.byteOffset + start, end - start), btf, minimum);
  };
  return { functions: part(8, 8), lines: part(16, 16), coreRelocations: part(24, 16) };
}

/** The index of the first record at or after a byte offset. */
export function firstAtOrAfter(records: ExtRecords, offset: number): number {
  let [low, high] = [0, records.offsets.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records.offsets[middle]! < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function readPart(view: DataView, btf: Btf, minimum: number): Map<string, ExtRecords> {
  const records = new Map<string, ExtRecords>();
  if (view.byteLength === 0) return records;
  if (view.byteLength < 4) throw new BtfError("BTF_TRUNCATED", ".BTF.ext ends within a record size");
  const recordSize = view.getUint32(0, btf.littleEndian);
  if (recordSize < minimum || recordSize > MAX_RECORD_SIZE || recordSize % 4 !== 0) {
    throw new BtfError("BTF_RANGE", `.BTF.ext says that its records have ${recordSize} bytes`);
  }
  for (let at = 4; at < view.byteLength; ) {
    if (at + 8 > view.byteLength)
      throw new BtfError("BTF_TRUNCATED", ".BTF.ext ends within a section header");
    const name = btf.string(view.getUint32(at, btf.littleEndian));
    const count = view.getUint32(at + 4, btf.littleEndian);
    at += 8;
    // Divided, not multiplied: a count of 2^32 - 1 must not become an allocation.
    if (count > (view.byteLength - at) / recordSize) {
      throw new BtfError(
        "BTF_TRUNCATED",
        `.BTF.ext announces ${count} records for section "${name}" and ends before them`,
      );
    }
    if (records.has(name)) throw new BtfError("BTF_RANGE", `.BTF.ext describes section "${name}" twice`);
    const data = new DataView(view.buffer, view.byteOffset + at, count * recordSize);
    records.set(name, { recordSize, offsets: readOffsets(data, recordSize, btf.littleEndian, name), data });
    at += count * recordSize;
  }
  return records;
}

function readOffsets(data: DataView, recordSize: number, little: boolean, name: string): Uint32Array {
  const offsets = new Uint32Array(data.byteLength / recordSize);
  let last = 0;
  for (let i = 0; i < offsets.length; i++) {
    const offset = data.getUint32(i * recordSize, little);
    if ((offset & 7) !== 0 || offset < last) {
      throw new BtfError(
        "BTF_RANGE",
        `.BTF.ext describes the instructions of section "${name}" out of order`,
      );
    }
    offsets[i] = offset;
    last = offset;
  }
  return offsets;
}
