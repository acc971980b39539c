// Builds the BPF objects from their C sources: `npm run bpf`. With --check it builds them elsewhere and compares.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const check = process.argv.includes("--check");

/** The compiler's version is part of the object: Debian 12's clang makes the committed ones. */
const CLANG = "clang-14";
const STRIP = "llvm-strip-14";

function build(source, target) {
  // Run in the source's folder with relative names, so that no path of the machine enters the object.
  const cwd = dirname(source);
  const name = source.slice(cwd.length + 1);
  const multiarch = execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();
  const flags = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror", "-fdebug-compilation-dir=."];
  execFileSync(CLANG, [...flags, `-I/usr/include/${multiarch}`, "-c", name, "-o", target], {
    cwd,
    stdio: "inherit",
  });
  // The BTF stays; DWARF, which no kernel reads, goes.
  execFileSync(STRIP, ["-g", target], { stdio: "inherit" });
  return readFileSync(target);
}

function embed(object) {
  const lines = object
    .toString("base64")
    .match(/.{1,100}/g)
    .map((line) => `  "${line}",`);
  return `// Generated from bpf/weir.bpf.c by \`npm run bpf\`. Do not edit.

/** bpf/weir.bpf.o in base64: carried in the module, so that a bundle needs no file beside it. */
export const weirObjectBase64: string = [
${lines.join("\n")}
].join("");
`;
}

const source = join(root, "bpf/weir.bpf.c");
const object = join(root, "bpf/weir.bpf.o");
const module = join(root, "packages/shaper/src/weir-object.ts");

if (check) {
  const folder = mkdtempSync(join(tmpdir(), "weir-bpf-"));
  try {
    const built = build(source, join(folder, "weir.bpf.o"));
    const differs = [];
    if (!built.equals(readFileSync(object))) differs.push("bpf/weir.bpf.o");
    if (embed(built) !== readFileSync(module, "utf8")) differs.push("packages/shaper/src/weir-object.ts");
    if (differs.length > 0) {
      console.error(
        `${differs.join(" and ")} differ from what bpf/weir.bpf.c makes; run \`npm run bpf\` and commit.`,
      );
      process.exit(1);
    }
    console.log("the BPF object is what its source makes");
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  writeFileSync(module, embed(build(source, object)));
  console.log("built bpf/weir.bpf.o and packages/shaper/src/weir-object.ts");
}
