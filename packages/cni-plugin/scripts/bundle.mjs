// Builds the executable that is installed on nodes: `node scripts/bundle.mjs [FOLDER]` (default: bundle).
//
//   weir         a POSIX shell launcher, the CNI plugin's executable
//   weir.cjs     everything in one file
//   koffi.node   koffi's addon for this machine, which weir.cjs loads from beside itself
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
const entry = join(root, "dist/main.js");
const folder = resolve(process.argv[2] ?? join(root, "bundle"));

if (!existsSync(entry)) {
  console.error(`${entry} is missing: run \`npx tsc -b packages/cni-plugin\` first`);
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

const result = await build({
  entryPoints: [entry],
  outfile: join(folder, "weir.cjs.tmp"),
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  metafile: true,
  // import.meta.url as if the bundle were dist/main.js of a package that lies where the bundle does.
  define: { "import.meta.url": "importMetaUrl" },
  banner: {
    js: 'const importMetaUrl=require("node:url").pathToFileURL(require("node:path").join(__dirname,"dist/main.js")).href;',
  },
  logOverride: { "empty-import-meta": "error" },
  plugins: [koffiShim],
  logLevel: "warning",
});

if (!koffiFolder) throw new Error("nothing in the bundle imports koffi any more: the shim is of no use");
const addonPackage = `@koromix/koffi-linux-${process.arch}`;
const addonFolder = dirname(createRequire(join(koffiFolder, "package.json")).resolve(addonPackage));

place(
  "koffi.node",
  (path) => copyFileSync(join(addonFolder, `linux_${process.arch}/koffi.node`), path),
  0o755,
);
place("LICENSES.txt", (path) => writeFileSync(path, licences()), 0o644);
chmodSync(join(folder, "weir.cjs.tmp"), 0o644);
renameSync(join(folder, "weir.cjs.tmp"), join(folder, "weir.cjs"));
place("weir", (path) => copyFileSync(join(root, "scripts/launcher.sh"), path), 0o755);

const [output] = Object.values(result.metafile.outputs);
console.log(`${folder}: weir.cjs has ${Math.round(output.bytes / 1024)} KiB`);

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
    ["commander (in weir.cjs)", join(commander, "LICENSE")],
  ];
  return parts.map(([name, path]) => `==== ${name}\n\n${readFileSync(path, "utf8").trim()}\n`).join("\n");
}
