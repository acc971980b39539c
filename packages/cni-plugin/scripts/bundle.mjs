// Builds the executable that is installed on nodes: `node scripts/bundle.mjs [FOLDER]` (default: bundle).
//
//   weir         a POSIX shell launcher, the CNI plugin's executable
//   weir.cjs     the plugin in one file
//   cli.cjs      the command line, which weir.cjs loads when CNI_COMMAND is not set; parsing it would add 2 ms to ADD
//   koffi.node   koffi's addon for this machine, which the two above load from beside themselves
//   LICENSES.txt what the files above are made of
//
// Run `tsc -b packages/cni-plugin` first: it is the compiled code that is bundled.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const folder = resolve(process.argv[2] ?? join(root, "bundle"));

if (!existsSync(join(dist, "main.js"))) {
  console.error(`${dist}/main.js is missing: run \`npx tsc -b packages/cni-plugin\` first`);
  process.exit(1);
}
mkdirSync(folder, { recursive: true });

/** Packages are found from where they are used: pnpm gives each package its own dependencies alone. */
let koffiFolder;
const koffiShim = {
  name: "koffi-shim",
  setup(builder) {
    builder.onResolve({ filter: /^koffi$/ }, async ({ path, pluginData, ...options }) => {
      if (pluginData === "inner") return undefined;
      const { path: real } = await builder.resolve(path, {
        importer: options.importer,
        resolveDir: options.resolveDir,
        kind: options.kind,
        pluginData: "inner",
      });
      koffiFolder = real.slice(0, real.lastIndexOf("/koffi/") + "/koffi".length);
      return { path: "koffi", namespace: "koffi-shim" };
    });
    // koffi's own loader looks for its addon in many places, which takes longer than the addon itself. The addon is
    // loaded at the first use of any of its functions; the shim then inherits from it.
    builder.onLoad({ filter: /.*/, namespace: "koffi-shim" }, () => ({
      loader: "js",
      resolveDir: root,
      contents: `
        import { join } from "node:path";
        const shim = Object.create(new Proxy({}, {
          get(_target, name) {
            const addon = { exports: {} };
            process.dlopen(addon, join(__dirname, "koffi.node"));
            Object.setPrototypeOf(shim, addon.exports);
            return addon.exports[name];
          },
        }));
        export default shim;
      `,
    }));
  },
};

/** The command line stays out of the plugin's file. */
const separateCli = {
  name: "separate-cli",
  setup(builder) {
    builder.onResolve({ filter: /\/cli\/run\.js$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./cli.cjs", external: true } : undefined,
    );
  },
};

await bundle("main.js", "weir.cjs", [koffiShim, separateCli]);
await bundle("cli/run.js", "cli.cjs", [koffiShim]);

async function bundle(entry, name, plugins) {
  const result = await build({
    entryPoints: [join(dist, entry)],
    write: false,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    // Dynamic imports become require, lazily.
    supported: { "dynamic-import": false },
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    // A CJS file has no import.meta; what lies beside a module could not be found from inside a bundle anyway.
    logOverride: { "empty-import-meta": "error" },
    plugins,
    logLevel: "warning",
  });
  const [{ contents }] = result.outputFiles;
  place(name, (path) => writeFileSync(path, contents), 0o644);
  console.log(`${name}: ${Math.round(contents.length / 1024)} KiB`);
}

if (!koffiFolder) throw new Error("nothing in the bundle imports koffi any more: the shim is of no use");
const addonPackage = `@koromix/koffi-linux-${process.arch}`;
const addonFolder = dirname(createRequire(join(koffiFolder, "package.json")).resolve(addonPackage));

place(
  "koffi.node",
  (path) => copyFileSync(join(addonFolder, `linux_${process.arch}/koffi.node`), path),
  0o755,
);
place("LICENSES.txt", (path) => writeFileSync(path, licences()), 0o644);
place("weir", (path) => copyFileSync(join(root, "scripts/launcher.sh"), path), 0o755);
console.log(`in ${folder}`);

/** Files are renamed into place, so that a runtime never starts half a plugin. */
function place(name, write, mode) {
  const path = join(folder, name);
  write(`${path}.tmp`);
  chmodSync(`${path}.tmp`, mode);
  renameSync(`${path}.tmp`, path);
}

function licences() {
  const commander = dirname(createRequire(join(root, "package.json")).resolve("commander"));
  const parts = [
    ["weir", join(root, "LICENSE")],
    ["koffi (koffi.node)", join(koffiFolder, "LICENSE.txt")],
    ["commander (in cli.cjs)", join(commander, "LICENSE")],
  ];
  return parts.map(([name, path]) => `==== ${name}\n\n${readFileSync(path, "utf8").trim()}\n`).join("\n");
}
