import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { suite } from "uvu";
import { BpfObjectError, BtfError } from "../index.js";
import { fixture, fixtureNames } from "../testing/fixtures.js";
import { memoryTerminal } from "../testing/terminal.js";
import { CommandError } from "./errors.js";
import { gen } from "./gen/gen.js";
import { inspect } from "./inspect.js";

const test = suite("mutated objects on the command line");

const originals = fixtureNames.map(fixture);
const folder = mkdtempSync(join(tmpdir(), "weir-bpf-"));
const file = join(folder, "mutated.bpf.o");
test.after(() => rmSync(folder, { recursive: true }));

const edits = fc.array(
  fc.record({
    place: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0xffff, 0x7fff_ffff, 0xffff_ffff, 0x8000_0000)),
  }),
  { minLength: 1, maxLength: 6 },
);

/** What a command may end with: an error that is told in a sentence. */
const known = [CommandError, BtfError, BpfObjectError];

function attempt(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!known.some((kind) => error instanceof kind)) throw error;
  }
}

test("an object that is damaged is printed, or refused with a sentence", () => {
  fc.assert(
    fc.property(fc.nat(originals.length - 1), edits, (which, changes) => {
      const bytes = originals[which]!.slice();
      const view = new DataView(bytes.buffer);
      for (const { place, value } of changes) {
        const at = Math.floor(place * (bytes.length - 4)) & ~3;
        if (value < 256) bytes[Math.floor(place * bytes.length)] = value;
        else view.setUint32(at, value, true);
      }
      writeFileSync(file, bytes);
      attempt(() => inspect(file, { disasm: true }, memoryTerminal()));
      attempt(() => inspect(file, { json: true, disasm: true }, memoryTerminal()));
      attempt(() => gen(file, {}, memoryTerminal()));
    }),
    { numRuns: 400 },
  );
});

test.run();
