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

/** Each object, and the module of the shaper that carries it. */
const objects = [
  { name: "weir", module: "packages/shaper/src/weir-object.ts", constant: "weirObjectBase64" },
  { name: "guard", module: "packages/shaper/src/guard/guard-object.ts", constant: "guardObjectBase64" },
  { name: "trace", module: "packages/shaper/src/trace/trace-object.ts", constant: "traceObjectBase64" },
];

function embed({ name, constant }, object) {
  const lines = object
    .toString("base64")
    .match(/.{1,100}/g)
    .map((line) => `  "${line}",`);
  return `// Generated from bpf/${name}.bpf.c by \`npm run bpf\`. Do not edit.

/** bpf/${name}.bpf.o in base64: carried in the module, so that a bundle needs no file beside it. */
export const ${constant}: string = [
${lines.join("\n")}
].join("");
`;
}

/** The files of an object that differ from what its source makes. */
function differing(one, folder) {
  const [source, object] = [`bpf/${one.name}.bpf.c`, `bpf/${one.name}.bpf.o`];
  const built = build(join(root, source), join(folder, `${one.name}.bpf.o`));
  return [
    ...(built.equals(readFileSync(join(root, object))) ? [] : [object]),
    ...(embed(one, built) === readFileSync(join(root, one.module), "utf8") ? [] : [one.module]),
  ];
}

if (check) {
  const folder = mkdtempSync(join(tmpdir(), "weir-bpf-"));
  try {
    const differs = objects.flatMap((one) => differing(one, folder));
    if (differs.length > 0) {
      console.error(
        `${differs.join(" and ")} differ from what the C source makes; run \`npm run bpf\` and commit.`,
      );
      process.exit(1);
    }
    console.log("the BPF objects are what their sources make");
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  for (const one of objects) {
    const [source, object] = ["c", "o"].map((suffix) => join(root, `bpf/${one.name}.bpf.${suffix}`));
    writeFileSync(join(root, one.module), embed(one, build(source, object)));
    console.log(`built bpf/${one.name}.bpf.o and ${one.module}`);
  }
}
