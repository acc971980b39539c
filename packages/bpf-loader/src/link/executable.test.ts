import { execFileSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrown } from "../testing/thrown.js";
import { resolveBinary, symbolOffset, symbolOffsets } from "./executable.js";
import { isPattern, matcher } from "./glob.js";

const test = suite("functions of executables");

/** Where readelf finds a function in a file: its address, less where its segment is loaded, plus where that lies. */
function readelf(path: string, symbol: string): number {
  const run = (...args: string[]) =>
    execFileSync("readelf", ["-W", ...args, path], { encoding: "utf8", maxBuffer: 1 << 28 });
  const line = run("--dyn-syms")
    .split("\n")
    .find((text) => new RegExp(` FUNC .* ${symbol}(@|$)`).test(text))!;
  const address = Number.parseInt(line.trim().split(/\s+/)[1]!, 16);
  for (const load of run("-l").matchAll(/LOAD\s+0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)/g)) {
    const [offset, begin, size] = load.slice(1).map((digits) => Number.parseInt(digits, 16));
    if (address >= begin! && address < begin! + size!) return address - begin! + offset!;
  }
  throw new Error(`readelf shows no segment for ${symbol}`);
}

test("the place of a function of a library is that which readelf shows", () => {
  const path = resolveBinary("libc.so.6");
  for (const symbol of ["getppid", "malloc", "printf"])
    assert.is(symbolOffset(path, symbol), readelf(path, symbol), symbol);
});

test("the place of a function of an executable is that which readelf shows", () => {
  assert.is(symbolOffset(process.execPath, "uv_os_getppid"), readelf(process.execPath, "uv_os_getppid"));
});

test("programs are found in PATH, and paths are taken as they are", () => {
  assert.match(resolveBinary("sh"), /\/sh$/);
  assert.is(resolveBinary("./nowhere"), "./nowhere");
  assert.match(thrown(() => resolveBinary("no_such_program")).message, /find no_such_program: .*ENOENT/);
  assert.match(
    thrown(() => symbolOffset("/nowhere", "a")).message,
    /read \/nowhere for its symbols: .*ENOENT/,
  );
});

test("functions are found by pattern, each place once", () => {
  const path = resolveBinary("libc.so.6");
  const found = symbolOffsets(path, matcher("getpp?d"), "getpp?d");
  assert.equal(
    found.map(({ name, offset }) => [name.replace(/@.*/, ""), offset]),
    [["getppid", readelf(path, "getppid")]],
  );
  const all = symbolOffsets(path, matcher("str*"), "str*");
  assert.is(new Set(all.map(({ offset }) => offset)).size, all.length);
  assert.match(
    thrown(() => symbolOffsets(path, matcher("no_such_*"), "no_such_*")).message,
    "find the function no_such_*",
  );
});

test("a file that is no ELF file is refused as such", () => {
  assert.is(
    (thrown(() => symbolOffset("/etc/passwd", "a")) as { code?: string }).code?.startsWith("ELF_"),
    true,
  );
});

test("patterns know a star and a question mark, and nothing else", () => {
  assert.is(matcher("tcp_*")("tcp_ack"), true);
  assert.is(matcher("tcp_*")("xtcp_ack"), false);
  assert.is(matcher("a?c")("abc"), true);
  assert.is(matcher("a.c")("abc"), false);
  assert.is(matcher("*")(""), true);
  assert.equal([isPattern("a*"), isPattern("a?"), isPattern("a.b")], [true, true, false]);
});

test.run();
