// Builds the executable `weir-nl`: dist/weir-nl.js, with commander inside, so that the package needs no command line
// library. It imports the package's own index.js beside it, and what that imports, as any other program would.
//
// Run `tsc -b packages/netlink` first: it is the compiled code that is bundled.
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), "dist");
const entry = join(dist, "cli/main.js");
const output = join(dist, "weir-nl.js");
const commander = dirname(createRequire(import.meta.url).resolve("commander"));

if (!existsSync(entry)) {
  console.error(`${entry} is missing: run \`npx tsc -b packages/netlink\` first`);
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
