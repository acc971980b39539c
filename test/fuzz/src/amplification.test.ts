import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Btf } from "@weir/bpf-loader";
import { ElfFile } from "@weir/elf";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("files made to be much larger in memory");

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** How large the files are: what a process needs anyway does not count beside it. */
const SIZE = 1 << 20;
const TIMES = 8;
/** Strings of BTF, of which each byte but the NULs begins another one, of up to 4000 bytes. */
const STRINGS = 200_000;

async function held(): Promise<number> {
  // What array buffers held is freed a moment after they are gone.
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Keeps all that `read` gives of a file of SIZE bytes, and refuses more than 8 times its size. */
async function keepsWithin(
  make: () => Uint8Array,
  read: (bytes: Uint8Array) => unknown,
  times = TIMES,
): Promise<void> {
  // What is compiled and made once is not the file's.
  read(make());
  const bytes = make();
  const before = await held();
  const kept = read(bytes);
  const grown = (await held()) - before;
  assert.ok(kept);
  assert.ok(
    grown <= times * bytes.length,
    `${(grown / bytes.length).toFixed(1)} times ${bytes.length} bytes`,
  );
}

/** A 32-bit little-endian file, whose records are the smallest, of one section of `type` beside names and symbols. */
function elf32(type: number, entrySize: number, fill: (view: DataView, start: number, end: number) => void) {
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  const u16 = (at: number, value: number) => view.setUint16(at, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at, value, true);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  u16(16, 1);
  u16(18, 3);
  u32(20, 1);
  const headers = SIZE - 4 * 40;
  u32(32, headers);
  u16(40, 52);
  u16(46, 40);
  u16(48, 4);
  const names = 60_000;
  const section = (index: number, fields: number[]) =>
    fields.forEach((field, i) => {
      u32(headers + index * 40 + i * 4, field);
    });
  // Each byte of the names but the NULs begins another name.
  for (let i = 0; i < names; i++) bytes[64 + i] = i % 8 === 7 ? 0 : 0x41 + (i % 26);
  bytes[64 + names - 1] = 0;
  const start = 64 + names + (-(64 + names) & 15);
  const size = Math.floor((headers - start) / entrySize) * entrySize;
  section(1, [0, 3, 0, 0, 64, names, 0, 0, 1, 0]);
  section(2, [0, type, 0, 0, start, size, type === 2 ? 1 : 3, 0, 4, entrySize]);
  section(3, [0, 2, 0, 0, start, 16, 1, 0, 4, 16]);
  fill(view, start, start + size);
  return { bytes, names };
}

test("symbols with names of their own", () => {
  const make = () =>
    elf32(2, 16, (view, start, end) => {
      for (let at = start, i = 0; at < end; at += 16, i++) view.setUint32(at, i % 60_000, true);
    }).bytes;
  return keepsWithin(make, (bytes) => {
    const file = ElfFile.parse(bytes);
    const { symbols } = file;
    return [file, symbols, symbols.map((symbol) => symbol.name)];
  });
});

test("relocations", () => {
  const make = () => elf32(9, 8, () => {}).bytes;
  return keepsWithin(make, (bytes) => {
    const file = ElfFile.parse(bytes);
    return [file, file.relocations(file.sections[2]!)];
  });
});

test("notes", () => {
  const make = () => elf32(7, 12, () => {}).bytes;
  return keepsWithin(make, (bytes) => {
    const file = ElfFile.parse(bytes);
    return [file, file.notes];
  });
});

test("sections", () => {
  const make = () => {
    const bytes = new Uint8Array(SIZE);
    const view = new DataView(bytes.buffer);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
    view.setUint32(32, 52, true);
    view.setUint16(40, 52, true);
    view.setUint16(46, 40, true);
    const count = Math.floor((SIZE - 52) / 40);
    view.setUint32(52 + 20, count, true);
    for (let i = 1; i < count; i++) {
      // NOBITS of a size and at an offset that are no small integers
      const at = 52 + i * 40;
      view.setUint32(at + 4, 8, true);
      for (let field = 8; field < 40; field += 4) view.setUint32(at + field, 0xffff_fff0, true);
    }
    return bytes;
  };
  return keepsWithin(make, (bytes) => ElfFile.parse(bytes));
});

test("segments", () => {
  const make = () => {
    const bytes = new Uint8Array(SIZE);
    const view = new DataView(bytes.buffer);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
    const count = Math.floor((SIZE - 92) / 32);
    view.setUint32(28, 92, true);
    view.setUint32(32, 52, true);
    for (const [at, value] of [
      [40, 52],
      [42, 32],
      [44, count],
      [46, 40],
      [48, 1],
    ] as const)
      view.setUint16(at, value, true);
    return bytes;
  };
  return keepsWithin(make, (bytes) => ElfFile.parse(bytes));
});

/** BTF with these words of types, as often as fit beside strings. */
function btf(words: number[], strings = STRINGS, character = 0x61): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  const count = Math.floor((SIZE - 24 - strings) / (words.length * 4));
  const length = count * words.length * 4;
  view.setUint16(0, 0xeb9f, true);
  bytes[2] = 1;
  [24, 0, length, length, strings].forEach((value, i) => {
    view.setUint32(4 + i * 4, value, true);
  });
  for (let i = 0; i < count; i++) {
    words.forEach((word, j) => {
      // A name of -1 is another one each time.
      view.setUint32(24 + (i * words.length + j) * 4, word === -1 ? 1 + (i % (strings - 4200)) : word, true);
    });
  }
  bytes.fill(character, 24 + length + 1, 24 + length + strings - 1);
  for (let at = 24 + length + 4000; at < 24 + length + strings; at += 4000) bytes[at] = 0;
  return bytes;
}

for (const [name, words] of [
  ["forward declarations of one name each", [-1, 7 << 24, 0]],
  ["pointers", [0, 2 << 24, 0]],
  ["typedefs of one name each", [-1, 8 << 24, 0]],
  ["enums of one value", [0, (6 << 24) | 1, 4, -1, 0]],
  ["structs of one member", [0, (4 << 24) | 1, 4, -1, 0, 0]],
] as const) {
  for (const character of [0x61, 0xc3]) {
    test(`BTF of ${name}, in ${character === 0x61 ? "ASCII" : "what is no ASCII"}`, () => {
      return keepsWithin(
        () => btf([...words], STRINGS, character),
        (bytes) => {
          const types = Btf.parse(bytes);
          return [types, types.typeCount, keepAll(types)];
        },
      );
    });
  }
}

/** What is kept of a blob whose types are all asked for: what it keeps itself. */
function keepAll(types: Btf): number {
  let count = 0;
  for (let id = 1; id <= types.typeCount; id++) {
    try {
      types.type(id);
      count++;
    } catch (error) {
      if (!/BtfError/.test((error as Error).name)) throw error;
    }
  }
  return count;
}

test("one enum of as many values as fit", () => {
  return keepsWithin(
    () => {
      const bytes = btf([0, 0]);
      const view = new DataView(bytes.buffer);
      const length = view.getUint32(12, true);
      const count = Math.floor((length - 12) / 8);
      const strings = view.getUint32(16, true);
      view.setUint32(24 + 4, (6 << 24) | count, true);
      view.setUint32(24 + 8, 4, true);
      for (let i = 0; i < count; i++) {
        view.setUint32(24 + 12 + i * 8, 1 + (i % 50_000), true);
        view.setUint32(24 + 16 + i * 8, i, true);
      }
      view.setUint32(12, 12 + count * 8, true);
      view.setUint32(16, strings, true);
      return bytes;
    },
    (bytes) => {
      const types = Btf.parse(bytes);
      return [types, types.type(1)];
    },
    // An object, its place in the array, and a piece of a string, for 8 bytes.
    10,
  );
});

test.run();
