// How the bundle's parts find each other. They lie in one folder, unless they are inside the standalone executable,
// which sets `weirFiles` before it loads them (standalone-main.cjs).
import { readFileSync } from "node:fs";
import { join } from "node:path";

const inside = globalThis.weirFiles;

/** The content of the bundle's file of that name. @throws what open(2) says, where there is none */
export const read = inside ? inside.read : (name) => readFileSync(join(__dirname, name));

/** Loads koffi's addon into a module, as process.dlopen does. */
export const loadAddon = inside
  ? inside.loadAddon
  : (module) => process.dlopen(module, join(__dirname, "koffi.node"));
