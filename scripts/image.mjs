// npm run image: the container image of the node agent and the installer, without a container engine.
//
// It holds the standalone executable, the few libraries of Debian's that it needs, and nothing else: no shell, no
// package manager. See docs/install.md.
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { writeOciArchive } from "./oci.mjs";
import { folder as folderOf, main, prepareCheckout, root, SetupError, step } from "./setup.mjs";
import { buildStandalone } from "./standalone.mjs";

const USAGE = `Usage: npm run image [-- OPTIONS]

  --output FILE    the archive to write (default: dist/weir-image.tar)
  --name NAME:TAG  what the image is called where it is imported (default: weir:VERSION)
  --rootfs FOLDER  write the image's files into this folder instead, for a Dockerfile to copy`;

/** The release whose libraries are in the image. */
const SUITE = "bookworm";

/** What the program and koffi's addon are linked with, by package; each is a file or a link to one. */
const libraries = {
  libc6: [
    "lib64/ld-linux-x86-64.so.2",
    ...[
      "ld-linux-x86-64.so.2",
      "libc.so.6",
      "libdl.so.2",
      "libm.so.6",
      "libpthread.so.0",
      "libresolv.so.2",
    ].map((name) => `lib/x86_64-linux-gnu/${name}`),
  ],
  "libgcc-s1": ["lib/x86_64-linux-gnu/libgcc_s.so.1"],
  // The other two's copyright.
  "gcc-12-base": [],
  "libstdc++6": ["usr/lib/x86_64-linux-gnu/libstdc++.so.6"],
};

const texts = {
  "etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\n",
  "etc/group": "root:x:0:\n",
  // A name of the API server's: first /etc/hosts, then DNS.
  "etc/nsswitch.conf": "hosts: files dns\n",
};

/** Mount points, since a container's root filesystem may be read-only. */
const folders = ["dev", "etc/weir", "proc", "run/weir", "run/netns", "sys", "tmp", "var/lib/cni"];

/** Writes the system's part of the image. */
async function writeLibraries(target) {
  const { fetchPackages } = await import("../test/vm/dist/index.js");
  for (const [name, files] of Object.entries(libraries)) {
    const from = await fetchPackages(SUITE, [name], { progress: (text) => console.error(`  ${text}`) });
    for (const file of files) copyWithTarget(from, target, file);
    const copyright = `usr/share/doc/${name}/copyright`;
    if (existsSync(join(from, copyright))) copy(join(from, copyright), join(target, copyright));
  }
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    writeFileSync(join(target, path), text, { mode: 0o644 });
  }
  for (const path of folders) mkdirSync(join(target, path), { recursive: true });
  symlinkSync("/run", join(target, "var/run"));
  setModes(target);
}

/** Writes weir's part of the image: the executable, and what `weir install` copies from beside it. */
async function writeWeir(target) {
  await buildStandalone(join(target, "opt/weir"), { addon: true });
  mkdirSync(join(target, "usr/bin"), { recursive: true });
  symlinkSync("/opt/weir/weir-standalone", join(target, "usr/bin/weir"));
  setModes(target);
}

if (import.meta.filename === process.argv[1]) {
  await main(async (args) => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const { output, name, rootfs } = parse(args, version);
    // Tests run it in a checkout that is built.
    if (!process.env.WEIR_PREPARED) await prepareCheckout();
    const work = mkdtempSync(join(folderOf("dist"), "image-"));
    try {
      const layers = rootfs ? [rootfs, rootfs] : [join(work, "libraries"), join(work, "weir")];
      await step("taking libraries from Debian's packages", () => writeLibraries(layers[0]));
      await step("building the standalone executable", () => writeWeir(layers[1]));
      if (rootfs) {
        console.log(`${rootfs} holds the image's files.`);
        return 0;
      }
      mkdirSync(dirname(output), { recursive: true });
      const digest = await step("packing", () => writeOciArchive(output, imageOf(name, layers, version)));
      console.log(`${output} holds ${name}, ${digest}.`);
      return 0;
    } finally {
      rmSync(work, { recursive: true });
    }
  });
}

function imageOf(name, layers, version) {
  return {
    name,
    layers,
    epoch: Number(process.env.SOURCE_DATE_EPOCH ?? 0),
    config: {
      Entrypoint: ["/usr/bin/weir"],
      Cmd: ["--help"],
      Env: ["PATH=/usr/bin"],
      User: "0:0",
      WorkingDir: "/",
      Labels: {
        "org.opencontainers.image.title": "weir",
        "org.opencontainers.image.description": "Shapes the bandwidth of Kubernetes pods",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": version,
      },
    },
  };
}

function parse(args, version) {
  try {
    const { values } = parseArgs({
      args,
      options: { output: { type: "string" }, name: { type: "string" }, rootfs: { type: "string" } },
    });
    const name = values.name ?? `weir:${version}`;
    if (!/^[\w.-]+(:\d+)?(\/[\w.-]+)*:[\w][\w.-]*$/.test(name)) throw new Error(`"${name}" is not NAME:TAG`);
    const rootfs = values.rootfs && resolve(values.rootfs);
    if (rootfs && existsSync(rootfs) && readdirSync(rootfs).length > 0)
      throw new Error(`${rootfs} is not empty`);
    return {
      name: qualified(name),
      output: resolve(values.output ?? join(root, "dist/weir-image.tar")),
      rootfs,
    };
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
}

/** A name without a registry is what container engines read as this. */
function qualified(name) {
  const [first, ...rest] = name.split("/");
  if (rest.length > 0 && /[.:]|^localhost$/.test(first)) return name;
  return `docker.io/${rest.length > 0 ? "" : "library/"}${name}`;
}

/** A file of a package, and, where it is a link, what it leads to. */
function copyWithTarget(from, to, path) {
  const source = join(from, path);
  if (!lstatSync(source).isSymbolicLink()) return copy(source, join(to, path));
  const link = readlinkSync(source);
  mkdirSync(dirname(join(to, path)), { recursive: true });
  symlinkSync(link, join(to, path));
  copyWithTarget(from, to, link.startsWith("/") ? link.slice(1) : join(dirname(path), link));
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { dereference: true, force: true });
}

/** Modes do not depend on who builds. */
function setModes(folder) {
  chmodSync(folder, 0o755);
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const entry = lstatSync(path);
    if (entry.isSymbolicLink()) continue;
    if (entry.isDirectory()) setModes(path);
    else chmodSync(path, entry.mode & 0o111 ? 0o755 : 0o644);
  }
  if (folder.endsWith("/tmp")) chmodSync(folder, 0o1777);
}
