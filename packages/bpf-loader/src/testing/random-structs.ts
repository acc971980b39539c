import type { BtfValue } from "../btf/codec.js";
import { Random } from "./random.js";

const SEED = 20_261_123;
const COUNT = 64;

/** A variable of the fixture "layouts", and the value that its source gives it. */
export interface RandomVariable {
  readonly name: string;
  readonly value: BtfValue;
}

/** What a member of a struct is: how it is declared, how it is initialised, and what it is in JavaScript. */
interface Member {
  readonly declaration: string;
  readonly initialiser: string;
  /** Undefined for what has no name of its own: an unnamed bit-field, or members that belong to the struct around. */
  readonly value?: BtfValue;
  readonly name?: string;
  readonly merged?: Readonly<Record<string, BtfValue>>;
}

const integers: readonly [type: string, bits: number, signed: boolean][] = [
  ["signed char", 8, true],
  ["unsigned char", 8, false],
  ["short", 16, true],
  ["unsigned short", 16, false],
  ["int", 32, true],
  ["unsigned int", 32, false],
  ["long long", 64, true],
  ["unsigned long long", 64, false],
];

/** The source of fixtures/layouts.bpf.c, and what its variables hold: structs of all that C lays out. */
export function randomStructs(): { source: string; variables: RandomVariable[] } {
  const random = new Random(SEED);
  const variables: RandomVariable[] = [];
  let source = `// SPDX-License-Identifier: Apache-2.0
// Made by src/testing/random-structs.ts: structs of all that C lays out, each with a value.

enum colour { RED = 3, GREEN = 4, BLUE = 70000 };
`;
  for (let i = 0; i < COUNT; i++) {
    const maker = new StructMaker(random);
    const { body, initialiser, value } = maker.struct(0);
    const packed = random.below(4) === 0 ? " __attribute__((packed))" : "";
    source += `\nstruct s${i} ${body}${packed};\nstruct s${i} v${i} = ${initialiser};\n`;
    variables.push({ name: `v${i}`, value });
  }
  source += `
__attribute__((section("tc"))) int first(void *context) { return v0.first; }

char _license[] __attribute__((section("license"))) = "GPL";
`;
  return { source, variables };
}

class StructMaker {
  readonly #random: Random;
  #names = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  struct(depth: number): { body: string; initialiser: string; value: Record<string, BtfValue> } {
    const members = Array.from({ length: 1 + this.#random.below(7) }, () => this.#member(depth));
    // Without anything but zeros the compiler lets BTF and the symbol disagree about the section.
    if (depth === 0)
      members.unshift({ declaration: "char first", initialiser: "1", name: "first", value: 1 });
    const value: Record<string, BtfValue> = {};
    for (const member of members) {
      if (member.name !== undefined) value[member.name] = member.value!;
      Object.assign(value, member.merged);
    }
    const indent = "  ".repeat(depth + 1);
    const lines = members.map((member) => `${indent}${member.declaration};\n`).join("");
    const values = members.flatMap((member) => member.initialiser || []).join(", ");
    return { body: `{\n${lines}${"  ".repeat(depth)}}`, initialiser: `{${values}}`, value };
  }

  #member(depth: number): Member {
    const random = this.#random;
    const name = `m${this.#names++}`;
    switch (random.below(depth < 2 ? 13 : 10)) {
      case 0:
      case 1: {
        const [type, bits, signed] = random.pick(integers);
        const { text, value } = this.#integer(bits, signed, bits);
        const aligned = random.below(6) === 0 ? ` __attribute__((aligned(${8 << random.below(2)})))` : "";
        return { declaration: `${type} ${name}${aligned}`, initialiser: text, name, value };
      }
      case 2:
      case 3:
      case 4: {
        const [type, bits, signed] = random.pick(integers);
        const width = 1 + random.below(bits);
        const { text, value } = this.#integer(width, signed, bits);
        return { declaration: `${type} ${name} : ${width}`, initialiser: text, name, value };
      }
      case 5: {
        if (random.below(2) === 0)
          return { declaration: `unsigned int : ${random.below(9)}`, initialiser: "" };
        const value = random.below(2) === 1;
        const width = random.below(2) === 0 ? " : 1" : "";
        return { declaration: `_Bool ${name}${width}`, initialiser: `${Number(value)}`, name, value };
      }
      case 6: {
        const [type, bits, signed] = random.pick(integers.filter(([, bits]) => bits > 8));
        const rows = Array.from({ length: 1 + random.below(3) }, () =>
          Array.from({ length: 2 }, () => this.#integer(bits, signed, bits)),
        );
        const text = rows.map((row) => `{${row.map((one) => one.text).join(", ")}}`).join(", ");
        const value = rows.map((row) => row.map((one) => one.value));
        return { declaration: `${type} ${name}[${rows.length}][2]`, initialiser: `{${text}}`, name, value };
      }
      case 7: {
        const bytes = Uint8Array.from({ length: 1 + random.below(9) }, () => random.below(128));
        const declaration = `${random.pick(["char", "unsigned char", "signed char"])} ${name}[${bytes.length}]`;
        return { declaration, initialiser: `{${bytes.join(", ")}}`, name, value: bytes };
      }
      case 8: {
        const value = random.pick([3, 4, 70_000]);
        return { declaration: `enum colour ${name}`, initialiser: `${value}`, name, value };
      }
      case 9: {
        if (random.below(2) === 0) {
          const value = (random.below(1 << 20) - (1 << 19)) / 64;
          const type = random.pick(["float", "double"]);
          return { declaration: `${type} ${name}`, initialiser: `${value}`, name, value };
        }
        const high = BigInt(random.below(1 << 30));
        const low = BigInt(random.below(1 << 30));
        const initialiser = `((unsigned __int128)${high} << 64) | ${low}`;
        return { declaration: `unsigned __int128 ${name}`, initialiser, name, value: (high << 64n) | low };
      }
      case 10: {
        const inner = this.struct(depth + 1);
        return {
          declaration: `struct ${inner.body} ${name}`,
          initialiser: inner.initialiser,
          name,
          value: inner.value,
        };
      }
      case 11: {
        const inner = this.struct(depth + 1);
        return { declaration: `struct ${inner.body}`, initialiser: inner.initialiser, merged: inner.value };
      }
      default: {
        const value = random.below(0x7fff_ffff);
        const wide = `w${name}`;
        const members = { [name]: value, [wide]: value };
        const body = `{ unsigned int ${name}; int ${wide}; }`;
        return random.below(2) === 0
          ? { declaration: `union ${body}`, initialiser: `{${value}}`, merged: members }
          : {
              declaration: `union ${body} u${name}`,
              initialiser: `{${value}}`,
              name: `u${name}`,
              value: members,
            };
      }
    }
  }

  #integer(width: number, signed: boolean, declared: number): { text: string; value: number | bigint } {
    const random = this.#random;
    const any =
      (BigInt(random.below(2 ** 31)) << 33n) ^
      (BigInt(random.below(2 ** 31)) << 16n) ^
      BigInt(random.below(65_536));
    const big = signed ? BigInt.asIntN(width, any) : BigInt.asUintN(width, any);
    // -2^63 is an expression in C, not a number.
    const text =
      big < 0n ? `(${big + 1n}LL - 1)` : declared > 32 ? `${big}${signed ? "LL" : "ULL"}` : `${big}`;
    return { text, value: declared > 32 ? big : Number(big) };
  }
}

if (process.argv[1] === import.meta.filename) process.stdout.write(randomStructs().source);
