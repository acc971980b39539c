import {
  type BpfObject,
  BpfObjectError,
  Btf,
  BtfError,
  BtfValueError,
  btfCodec,
  disassembleFunction,
  formatType,
} from "@weir/bpf-loader";
import { ElfError, ElfFile, type ElfNote, SectionType, SegmentType } from "@weir/elf";

/** Whether an error is one of those that bad input may end in. */
export function isExpected(error: unknown): boolean {
  return error instanceof ElfError || error instanceof BtfError || error instanceof BpfObjectError;
}

/** Lets the expected errors pass, and no others. */
function attempt(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
}

/** Reads all that an ELF file has to give. */
export function exerciseElf(bytes: Uint8Array): void {
  const elf = ElfFile.parse(bytes, {
    // What a decompressor might do: the contents do not matter here, the sizes do.
    inflate: (data, { size }) => new Uint8Array(Math.min(size, data.length)),
  });
  attempt(() => {
    for (const symbol of elf.symbols) {
      void [symbol.value, symbol.size, symbol.binding, symbol.type, symbol.visibility, symbol.section?.index];
      void symbol.name;
    }
  });
  for (const section of elf.sections) {
    attempt(() => section.data);
    attempt(() => section.compression);
    inside(section.rawData, bytes, section.hasBytes ? section.size : 0);
    void [section.flags, section.address, section.link, section.info, section.alignment, section.entrySize];
    if (section.type === SectionType.REL || section.type === SectionType.RELA) {
      attempt(() => {
        for (const { offset, type, symbol, addend } of elf.relocations(section))
          void [offset, type, symbol?.value, addend];
      });
    }
  }
  for (const segment of elf.segments) {
    attempt(() => inside(segment.data, bytes, segment.fileSize));
    void [segment.flags, segment.address, segment.physicalAddress, segment.memorySize, segment.alignment];
    if (segment.type === SegmentType.NOTE) attempt(() => readNotes(elf.notesOf(segment), bytes));
  }
  attempt(() => readNotes(elf.notes, bytes));
  attempt(() => elf.buildId);
}

function readNotes(notes: readonly ElfNote[], bytes: Uint8Array): void {
  for (const note of notes) {
    void [note.name, note.type];
    inside(note.description, bytes);
  }
}

/** A view that leaves the file would show what belongs to somebody else. */
function inside(view: Uint8Array, file: Uint8Array, length = view.length): void {
  if (view.length !== length) throw new Error(`a view of ${view.length} bytes instead of ${length}`);
  const start = view.byteOffset - file.byteOffset;
  if (view.buffer !== file.buffer || start < 0 || start + view.length > file.length)
    throw new Error(`a view of bytes ${start} to ${start + view.length} of a file of ${file.length}`);
}

/** Decodes every type of a blob, and makes and uses codecs of a quarter of them, which `number` chooses. */
export function exerciseBtf(bytes: Uint8Array, number: number): void {
  const btf = Btf.parse(bytes);
  for (let id = 0; id <= btf.typeCount; id++) {
    attempt(() => btf.type(id));
    attempt(() => btf.resolve(id));
    if (id % 4 !== number % 4) continue;
    attempt(() => {
      // A type may announce up to 4 GiB; a value of it is as large as it says, and nobody asked for one.
      if (btf.sizeOf(id) > 1024) return;
      const codec = btfCodec(btf, id);
      const value = codec.decode(new Uint8Array(codec.size).fill(0x5a));
      try {
        codec.encode(value);
      } catch (error) {
        // Unions whose members overlap in part cannot be written as they were read.
        if (!(error instanceof BtfValueError)) throw error;
      }
    });
  }
  attempt(() => btf.find("flow", "struct"));
  attempt(() => formatType(btf, number % (btf.typeCount + 1)));
}

/** Does what can be done with an object without a kernel; one function, which `number` chooses, is disassembled. */
export function exerciseObject(object: BpfObject, number: number): void {
  for (const map of [...object.maps, ...object.dataSections.map((section) => section.map)]) {
    attempt(() => [map.keyCodec(), map.valueCodec()]);
  }
  for (const variable of object.variables) if (variable.size < 65_536) attempt(() => variable.codec);
  attempt(() => object.coreRelocations);
  const function_ = object.functions[number % object.functions.length];
  if (function_) attempt(() => disassembleFunction(object, function_));
}
