// npm run api [-- --check]: writes docs/api/PACKAGE.txt, what each package exports, for reviewers to see it change.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { main, prepareCheckout, root, SetupError } from "./setup.mjs";

/** Netlink's types are its schemas, spelt out: half a megabyte. */
const PACKAGES = ["elf", "syscall", "bpf-loader", "shaper"];

// The compiler that builds the packages has no programming interface.
const ts = createRequire(join(root, "test/docs/package.json"))("typescript");

await main(async (args) => {
  await prepareCheckout();
  const folder = join(root, "docs/api");
  mkdirSync(folder, { recursive: true });
  const stale = [];
  for (const name of PACKAGES) {
    const file = join(folder, `${name}.txt`);
    const text = describe(join(root, "packages", name, "dist/index.d.ts"));
    if (!args.includes("--check")) writeFileSync(file, text);
    else if (readIfThere(file) !== text) stale.push(`docs/api/${name}.txt`);
  }
  if (stale.length === 0) return 0;
  throw new SetupError(`The packages no longer export what ${stale.join(", ")} says; run \`npm run api\`.`);
});

/** The declarations behind all exports, by name, without comments. */
function describe(entry) {
  const options = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: ["node"] };
  const program = ts.createProgram([entry], options);
  const checker = program.getTypeChecker();
  const printer = ts.createPrinter({ removeComments: true });
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry));
  const texts = checker.getExportsOfModule(module).map((symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const declarations = (target.declarations ?? []).map((declaration) => {
      const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
      const file = node.getSourceFile();
      const other = /packages\/([\w-]+)\//.exec(file.fileName)?.[1];
      if (ts.isSourceFile(node)) return `export * as ${symbol.name};`;
      if (!entry.includes(`/packages/${other}/`)) return `export { ${symbol.name} } from "@weir/${other}";`;
      return printer.printNode(ts.EmitHint.Unspecified, node, file);
    });
    const text = declarations.join("\n").replaceAll(/^ +(#private|private .*);\n/gm, "");
    return { name: symbol.name, text };
  });
  texts.sort((a, b) => (a.name < b.name ? -1 : 1));
  return `${texts.map(({ text }) => text).join("\n\n")}\n`;
}

function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
