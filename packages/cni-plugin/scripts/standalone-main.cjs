// What the standalone executable starts with: it has the bundle's files inside, as assets of Node's single-executable
// format (https://nodejs.org/api/single-executable-applications.html), and loads weir.cjs from there.
"use strict";
const fs = require("node:fs");
const { join, dirname } = require("node:path");
const { tmpdir } = require("node:os");
const { getAsset, getRawAsset } = require("node:sea");
const { Script } = require("node:vm");

/** Linux's include/uapi/asm-generic/fcntl.h, the same on x86-64 and arm64. */
const O_TMPFILE = 0o20000000 | fs.constants.O_DIRECTORY;

const folder = dirname(process.execPath);
const modules = new Map();
let addon;

// What Node.js thinks of the modules that libraries use is for their authors.
process.noDeprecation = true;
globalThis.weirFiles = { read, loadAddon };
load("weir.cjs");

function read(name) {
  return Buffer.from(getRawAsset(name));
}

/** A module of the bundle, or one of Node's own. */
function load(name) {
  const known = modules.get(name);
  if (known) return known.exports;
  const module = { exports: {} };
  modules.set(name, module);
  const code = `(function(exports,require,module,__filename,__dirname){${getAsset(name, "utf8")}\n})`;
  const filename = join(folder, name);
  new Script(code, { filename }).runInThisContext()(module.exports, find, module, filename, folder);
  return module.exports;
}

function find(name) {
  return name.startsWith("./") ? load(name.slice(2)) : require(name);
}

function loadAddon(module) {
  addon ??= openAddon();
  module.exports = addon;
}

/**
 * The kernel maps shared objects from files alone. Where koffi's lies beside the executable it is taken from there,
 * by the name that its content gives it; else it is written to a file that has no name, or one that nobody else can
 * have put there, which is gone before this process is.
 */
function openAddon() {
  const beside = join(folder, getAsset("koffi.name", "utf8"));
  if (fs.existsSync(beside)) return dlopen(beside);
  const refusals = [];
  for (const place of new Set([process.env.TMPDIR, "/run", folder, "/dev/shm", "/var/lib", tmpdir()])) {
    if (!place) continue;
    for (const open of [withoutName, inPrivateFolder]) {
      try {
        return open(place);
      } catch (error) {
        refusals.push(`${place}: ${String(error.message).split("\n")[0]}`);
      }
    }
  }
  throw new Error(
    `no folder takes the shared object that system calls go through: set TMPDIR to one that can be written and is not mounted noexec, or put ${beside} there (${refusals.join("; ")})`,
  );
}

function withoutName(place) {
  const fd = fs.openSync(place, O_TMPFILE | fs.constants.O_RDWR, 0o700);
  try {
    write(fd);
    return dlopen(`/proc/self/fd/${fd}`);
  } finally {
    fs.closeSync(fd);
  }
}

function inPrivateFolder(place) {
  const own = fs.mkdtempSync(join(place, "weir-addon-"));
  try {
    const path = join(own, "koffi.node");
    const fd = fs.openSync(path, "wx", 0o700);
    try {
      write(fd);
    } finally {
      fs.closeSync(fd);
    }
    return dlopen(path);
  } finally {
    fs.rmSync(own, { recursive: true, force: true });
  }
}

function write(fd) {
  const bytes = read("koffi.node");
  for (let offset = 0; offset < bytes.length; ) offset += fs.writeSync(fd, bytes, offset);
}

function dlopen(path) {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports;
}
