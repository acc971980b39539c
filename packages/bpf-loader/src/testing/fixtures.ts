import { readFileSync } from "node:fs";
import { BpfObject } from "../object/bpf-object.js";

/** The objects that fixtures/build.sh makes. */
export type FixtureName =
  | "shape"
  | "globals"
  | "globals-big-endian"
  | "calls"
  | "sections"
  | "maps"
  | "unsupported"
  | "refused"
  | "newer"
  | "rings"
  | "structures"
  | "attach"
  | "core"
  | "layouts"
  | "layouts-big-endian"
  | "core-loads"
  | "core-local-types"
  | "core-missing"
  | "contents"
  | "externs"
  | "legacy"
  | "iproute2"
  | "struct-ops"
  | "targets"
  | "contents-big-endian"
  | "externs-big-endian"
  | "struct-ops-big-endian"
  | "iproute2-big-endian";

/** All of them. */
export const fixtureNames: readonly FixtureName[] = [
  "shape",
  "globals",
  "globals-big-endian",
  "calls",
  "sections",
  "maps",
  "unsupported",
  "refused",
  "newer",
  "rings",
  "structures",
  "attach",
  "core",
  "layouts",
  "layouts-big-endian",
  "core-loads",
  "core-local-types",
  "core-missing",
  "contents",
  "externs",
  "legacy",
  "iproute2",
  "struct-ops",
  "targets",
  "contents-big-endian",
  "externs-big-endian",
  "struct-ops-big-endian",
  "iproute2-big-endian",
];

/** Where an object lies. */
export function fixturePath(name: FixtureName): URL {
  return new URL(`../../fixtures/${name}.bpf.o`, import.meta.url);
}

/** The bytes of an object. */
export function fixture(name: FixtureName): Uint8Array {
  return new Uint8Array(readFileSync(fixturePath(name)));
}

/** An object, parsed. */
export function parseFixture(name: FixtureName): BpfObject {
  return BpfObject.parse(fixture(name));
}
