import { BpfObject, BpfObjectError, NotSupportedError, SystemError, VerifierError } from "@weir/bpf-loader";
import * as assert from "uvu/assert";
import type { Instruction } from "./kernel-view.js";
import { type Loaded, loadWithLibbpf, temporaryBpffs, viewAll } from "./libbpf.js";
import { bpftool } from "./packages.js";

const command = await bpftool();

/**
 * Loads an object with libbpf and with this project, and compares what the kernel says about both.
 *
 * @returns false if libbpf cannot load it; `refused` hears of its complaints
 * @throws an assertion for anything that differs
 */
export function compareWithLibbpf(bytes: Uint8Array, refused: (complaints: string) => void): boolean {
  const theirs = loadWithLibbpf(command, bytes);
  if (typeof theirs === "string") {
    refused(theirs);
    return false;
  }
  assertEqual(loadHere(BpfObject.parse(bytes)), theirs);
  return true;
}

/** Loads an object here and looks at what that gave. */
export function loadHere(object: BpfObject): Loaded {
  using bpffs = temporaryBpffs();
  using loaded = object.load({ pinPath: bpffs.path });
  return viewAll(
    loaded.programs.map(({ fd }) => fd),
    loaded.maps.map(({ fd }) => fd),
  );
}

/** Fails unless an object that cannot be loaded ends in an error that says why. */
export function assertRefused(object: BpfObject): void {
  using bpffs = temporaryBpffs();
  try {
    object.load({ pinPath: bpffs.path }).close();
  } catch (error) {
    const known = [BpfObjectError, NotSupportedError, SystemError, VerifierError];
    if (known.some((type) => error instanceof type)) return;
    throw error;
  }
  throw new Error("it was loaded");
}

function assertEqual(ours: Loaded, theirs: Loaded): void {
  assert.equal(ours.maps, theirs.maps);
  assert.equal(
    ours.programs.map(({ name, facts }) => ({ name, facts })),
    theirs.programs.map(({ name, facts }) => ({ name, facts })),
  );
  ours.programs.forEach((program, i) => {
    const theirProgram = theirs.programs[i]!;
    // libbpf ties read-only data also to programs that do not use it, for tools that look for metadata there.
    const uses = (name: string) => !name.startsWith(".rodata") || program.maps.includes(name);
    assert.equal(program.maps, theirProgram.maps.filter(uses), program.name);
    assert.equal(
      program.instructions.map(withoutAddress),
      theirProgram.instructions.map(withoutAddress),
      program.name,
    );
  });
}

/** Addresses in the kernel differ where they are of what was just loaded. */
function withoutAddress({ text, address }: Instruction): string {
  if (address === undefined) return text;
  return address >= 0xffff_0000_0000_0000n ? `${text} kernel address` : `${text} ${address}`;
}
