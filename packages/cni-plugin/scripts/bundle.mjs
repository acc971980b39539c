// Builds the executable that is installed on nodes: `node scripts/bundle.mjs [FOLDER]` (default: bundle).
//
//   weir              a POSIX shell launcher, the CNI plugin's executable
//   weir.cjs          the protocol: it answers VERSION, and loads what else is asked for
//   plugin-HASH.js    the plugin's work, and all that it needs
//   plugin-HASH.cache its functions as V8 compiled them, which saves ADD some 40 ms. V8 refuses it under another version
//                     of Node.js than the one that ran this script, and compiles as usual; `weir install` makes its own.
//   cli.cjs           the command line
//   agent.cjs         the node agent, which the command line loads
//   koffi.node        koffi's addon for this machine, which is loaded from beside the files above
//   LICENSES.txt      what the files above are made of
//   manifest.json     the names and hashes of the files above, and one of them all, by which `weir install` goes
//
// Run `tsc -b packages/cni-plugin` first: it is the compiled code that is bundled.
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
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
const { makeCodeCache } = await import(join(dist, "cli/install/code-cache.js"));
/** The SHA-256 of each file that the launcher needs, by name. */
const hashes = {};
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
        import { loadAddon } from "bundle-files";
        const shim = Object.create(new Proxy({}, {
          get(_target, name) {
            const addon = { exports: {} };
            loadAddon(addon);
            Object.setPrototypeOf(shim, addon.exports);
            return addon.exports[name];
          },
        }));
        export default shim;
      `,
    }));
  },
};

/**
 * In place of modules come stand-ins for their exports, each of which loads its module when it is touched: most of what
 * the libraries can do no ADD needs, and initialising it would cost each one milliseconds.
 * @param {(file: string) => boolean} rarely which modules
 * @param {boolean} trial whether each shall put its path into the global set `touched` when it is loaded
 */
const lazily = (rarely, trial = false) => ({
  name: "lazily",
  setup(builder) {
    builder.onResolve({ filter: /\.js$/ }, async ({ path, resolveDir, namespace, kind }) => {
      if (namespace === "lazy" || kind === "entry-point") return undefined;
      const file = resolve(resolveDir, path);
      if (!rarely(file) || !(await standIns(file))) return undefined;
      return { path: file, namespace: "lazy", sideEffects: false };
    });
    builder.onResolve({ filter: /^stand-in$/ }, () => ({ path: join(root, "scripts/stand-in.mjs") }));
    builder.onLoad({ filter: /.*/, namespace: "lazy" }, async ({ path }) => ({
      loader: "js",
      resolveDir: dirname(path),
      contents: `
        import { standIn as $standIn } from "stand-in";
        const $module = () => {
          ${trial ? `globalThis.touched.add(${JSON.stringify(path)});` : ""}
          return require(${JSON.stringify(path)});
        };
        ${(await standIns(path)).join("\n")}
      `,
    }));
  },
});

/** The stand-ins for a module's exports; undefined where there can be none for one of them, such as a number or a Map. */
async function standIns(path) {
  const lines = [];
  for (const [name, value] of Object.entries(await import(path))) {
    const plain = typeof value === "object" && value && Object.getPrototypeOf(value) === Object.prototype;
    if (typeof value !== "function" && !plain) return undefined;
    lines.push(`export const ${name} = $standIn($module, "${name}", ${plain ? "{}" : "function () {}"});`);
  }
  return lines;
}

/**
 * The Kubernetes client has a class for each kind of object, of which the agent uses none: without this they would all
 * be in its file, and in its memory. Its package does not say that its modules do nothing when they are loaded.
 */
const onlyWhatIsUsed = {
  name: "only-what-is-used",
  setup(builder) {
    builder.onResolve({ filter: /./ }, async ({ path, pluginData, ...options }) => {
      if (pluginData === "inner" || !/client-node/.test(path + options.importer)) return undefined;
      const found = await builder.resolve(path, { ...options, pluginData: "inner" });
      return { ...found, sideEffects: false };
    });
  },
};

/** What comes after fq is set, which the kernel that builds may not have. */
const afterFq = /\/(netlink\/dist\/tc\/(filters?|filter-schema|action)|shaper\/dist\/(egress|ingress))\.js$/;

/** Where the parts of the bundle are found. */
const files = {
  name: "files",
  setup(builder) {
    builder.onResolve({ filter: /^bundle-files$/ }, () => ({ path: join(root, "scripts/files.mjs") }));
  },
};

/** The protocol's file loads the two others when it needs them, the plugin with its code cache. */
const split = (pluginFile, cacheFile) => ({
  name: "split",
  setup(builder) {
    builder.onResolve({ filter: /\/cli\/run\.js$/ }, () => ({ path: "./cli.cjs", external: true }));
    builder.onResolve({ filter: /\/plugin\.js$/ }, () => ({ path: "plugin", namespace: "cached" }));
    builder.onLoad({ filter: /.*/, namespace: "cached" }, () => ({
      loader: "js",
      resolveDir: root,
      contents: `
        import { Script } from "node:vm";
        import { read } from "bundle-files";
        const filename = __dirname + "/${pluginFile}";
        let cachedData;
        try {
          cachedData = read("${cacheFile}");
        } catch {
          // It works without.
        }
        const script = new Script(read("${pluginFile}").latin1Slice(), { filename, cachedData });
        const plugin = { exports: {} };
        script.runInThisContext()(plugin.exports, require, plugin, filename, __dirname);
        export const { answer } = plugin.exports;
      `,
    }));
  },
});

mkdirSync(folder, { recursive: true });
// A first bundle, of which all is lazy, tells what an ADD touches.
const isOurs = (file) => file.includes("/packages/");
const touched = findTouched(wrapped(await bundle("cni/plugin.js", [koffiShim, lazily(isOurs, true)])));
const isRare = (file) => isOurs(file) && !touched.has(file) && !afterFq.test(file);
const plugin = await bundle("cni/plugin.js", [koffiShim, lazily(isRare)]);
// It is read as Latin-1, which is quicker than UTF-8.
if (/[^\0-\x7f]/.test(plugin)) throw new Error("the plugin's file is not pure ASCII");
const source = wrapped(plugin);
// V8 compares no more of a source with its cache than the length: a cache must never meet another file than its own.
const hash = createHash("sha256").update(source).digest("hex").slice(0, 12);
const pluginFile = `plugin-${hash}.js`;
const cacheFile = `plugin-${hash}.cache`;
const main = await bundle("main.js", [split(pluginFile, cacheFile)]);
const agentChunk = {
  name: "agent-chunk",
  setup(builder) {
    builder.onResolve({ filter: /^\.\/agent\.js$/ }, ({ resolveDir }) =>
      resolveDir === join(dist, "cli") ? { path: "./agent.cjs", external: true } : undefined,
    );
  },
};
const cli = await bundle("cli/run.js", [koffiShim, agentChunk]);
/** Folders of the npm packages of which something is in the agent's file. */
const agentPackages = new Set();
const agent = await bundle("cli/agent.js", [koffiShim, onlyWhatIsUsed], agentPackages);

// The launcher comes last and weir.cjs before it: until then an older version in the folder goes on working.
place("LICENSES.txt", (path) => writeFileSync(path, licences()), 0o644);
place("agent.cjs", (path) => writeFileSync(path, agent), 0o644);
place("cli.cjs", (path) => writeFileSync(path, cli), 0o644);
place(pluginFile, (path) => writeFileSync(path, source), 0o644);
place(cacheFile, (path) => writeFileSync(path, codeCache(join(folder, pluginFile)).data), 0o644);
place("weir.cjs", (path) => writeFileSync(path, main), 0o644);
const buildId = buildHash();
place("manifest.json", (path) => writeFileSync(path, manifest(buildId)), 0o644);
place("weir", (path) => writeFileSync(path, launcher(buildId)), 0o755);
for (const name of readdirSync(folder)) {
  if (/^plugin-/.test(name) && name !== pluginFile && name !== cacheFile) rmSync(join(folder, name));
}
console.log(
  `${folder}: protocol ${kib(main)}, plugin ${kib(source)}, command line ${kib(cli)}, agent ${kib(agent)}`,
);

/** The launcher, which asks a server of its own version alone, and uses files of its own build alone. */
function launcher(id) {
  const text = readFileSync(join(root, "scripts/launcher.sh"), "utf8");
  return text.replaceAll("@VERSION@", version()).replaceAll("@BUILD@", id);
}

function manifest(id) {
  return `${JSON.stringify({ version: version(), build: id, files: hashes }, null, 2)}\n`;
}

/** A name for the files as they are. The code cache is another one at each build, and follows from the others. */
function buildHash() {
  const files = Object.entries(hashes).filter(([name]) => name !== cacheFile);
  return createHash("sha256").update(JSON.stringify(files.sort())).digest("hex").slice(0, 12);
}

function version() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;
}

/** What a plugin's file compiles to, as far as this machine can run it. */
function codeCache(file) {
  return makeCodeCache(file, process.execPath);
}

/** As the protocol's file runs it. */
function wrapped(code) {
  return `(function(exports,require,module,__filename,__dirname){${code}\n})`;
}

/** The modules that an ADD of the plugin touches, which a plugin tells whose modules are all lazy. */
function findTouched(trial) {
  const file = join(folder, "trial.js");
  try {
    place("koffi.node", (path) => copyFileSync(addonFile(), path), 0o755);
    writeFileSync(file, trial);
    return new Set(codeCache(file).touched);
  } finally {
    rmSync(file, { force: true });
  }
}

function addonFile() {
  if (!koffiFolder) throw new Error("nothing in the bundle imports koffi any more: the shim is of no use");
  const addonPackage = `@koromix/koffi-linux-${process.arch}`;
  const addonFolder = dirname(createRequire(join(koffiFolder, "package.json")).resolve(addonPackage));
  return join(addonFolder, `linux_${process.arch}/koffi.node`);
}

/** @param {Set<string>} [packages] takes the folders of the npm packages of which something is in the bundle */
async function bundle(entry, plugins, packages) {
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
    minifyIdentifiers: true,
    legalComments: "none",
    // A CJS file has no import.meta; what lies beside a module could not be found from inside a bundle anyway.
    logOverride: { "empty-import-meta": "error" },
    plugins: [files, ...plugins],
    logLevel: "warning",
    metafile: packages !== undefined,
  });
  for (const [file, { bytesInOutput }] of Object.entries(
    Object.values(result.metafile?.outputs ?? {})[0]?.inputs ?? {},
  )) {
    const [own] = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(resolve(file)) ?? [];
    if (own && bytesInOutput > 0) packages.add(own);
  }
  return result.outputFiles[0].text.replace(/^#!.*\n/, "");
}

function kib({ length }) {
  return `${Math.round(length / 1024)} KiB`;
}

/** Files are renamed into place, so that a runtime never starts half a plugin. */
function place(name, write, mode) {
  const path = join(folder, name);
  write(`${path}.tmp`);
  chmodSync(`${path}.tmp`, mode);
  hashes[name] = createHash("sha256")
    .update(readFileSync(`${path}.tmp`))
    .digest("hex");
  renameSync(`${path}.tmp`, path);
}

function licences() {
  const { resolve } = createRequire(join(root, "package.json"));
  const commander = dirname(resolve("commander"));
  const diff = dirname(resolve("diff/package.json"));
  const parts = [
    ["weir", join(root, "LICENSE")],
    ["koffi (koffi.node)", join(koffiFolder, "LICENSE.txt")],
    ["commander (in cli.cjs)", join(commander, "LICENSE")],
    ["diff (in cli.cjs)", join(diff, "LICENSE")],
  ];
  for (const own of [...agentPackages].sort()) {
    const { name, license, author, repository } = JSON.parse(readFileSync(join(own, "package.json"), "utf8"));
    if (name.startsWith("@weir/") || name === "koffi") continue;
    const file = readdirSync(own).find((one) => /^(licen[cs]e|copying)/i.test(one));
    if (!file && !license) throw new Error(`${own} has no licence to put beside the bundle`);
    // Some packages name their licence without its text.
    const named = `${license}, ${author?.name ?? author ?? ""} ${repository?.url ?? repository ?? ""}`;
    parts.push([`${name} (in agent.cjs)`, file && join(own, file), named]);
  }
  const text = (path, named) => (path ? readFileSync(path, "utf8").trim() : named);
  return parts.map(([name, path, named]) => `==== ${name}\n\n${text(path, named)}\n`).join("\n");
}
