// Builds the executable of a library, such as dist/weir-bpf.js of packages/bpf-loader, from the package's cli/main.js:
// with commander inside, so that the package needs no command line library. It imports the package's own index.js
// beside it, and what that imports, as any other program would.
//
// node scripts/bundle-command-line.mjs packages/bpf-loader weir-bpf, after `tsc -b packages/bpf-loader`: it is the
// compiled code that is bundled.
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";
import { root } from "./setup.mjs";

const [folder, name] = process.argv.slice(2);
if (!folder || !name) {
  console.error("Usage: node scripts/bundle-command-line.mjs PACKAGE EXECUTABLE");
  process.exit(2);
}
const dist = resolve(root, folder, "dist");
const entry = join(dist, "cli/main.js");
const output = join(dist, `${name}.js`);
const commander = dirname(createRequire(entry).resolve("commander"));

if (!existsSync(entry)) {
  console.error(`${entry} is missing: run \`npx tsc -b ${folder}\` first`);
  process.exit(1);
}

const ownIndex = {
  name: "own-index",
  setup(builder) {
    builder.onResolve({ filter: /^\.\.?\/.*index\.js$/ }, ({ path, resolveDir }) =>
      join(resolveDir, path) === join(dist, "index.js") ? { path: "./index.js", external: true } : undefined,
    );
  },
};

const { outputFiles } = await build({
  entryPoints: [entry],
  write: false,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["@weir/*"],
  plugins: [ownIndex],
  minifySyntax: true,
  legalComments: "none",
  // commander is CommonJS, which requires node's own modules.
  banner: {
    js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);',
  },
  // Its license wants to go where it goes.
  footer: {
    js: `/*\nIn this file is commander:\n\n${readFileSync(join(commander, "LICENSE"), "utf8").trim()}\n*/`,
  },
  logLevel: "warning",
});

// Renamed into place: whoever starts it meanwhile finds the old one or the new one.
writeFileSync(`${output}.tmp`, outputFiles[0].contents);
chmodSync(`${output}.tmp`, 0o755);
renameSync(`${output}.tmp`, output);
