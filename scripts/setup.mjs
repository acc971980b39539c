// What every command of the checkout does first: dependencies, build, Debian packages. Plain node, no dependency.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const PNPM = "pnpm@12.21.0";

/** Debian packages that whole pods take: the CNI plugins beside weir, and what measures and looks at them. */
const podPackages = ["containernetworking-plugins", "iperf3", "iproute2", "iputils-ping"];

/** The libraries that come with an executable. */
const commandLines = [
  ["packages/bpf-loader", "weir-bpf"],
  ["packages/netlink", "weir-nl"],
];

/** An error whose message is all that the user needs. */
export class SetupError extends Error {}

/** Runs a command's main function; a SetupError becomes one sentence and exit status 1. */
export async function main(run) {
  try {
    process.exitCode = await run(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

/** Prints what is going on, and how long it took when it took a while. */
export async function step(text, work) {
  const started = Date.now();
  process.stderr.write(`- ${text} `);
  const dots = setInterval(() => process.stderr.write("."), 2000);
  try {
    const result = await work();
    const seconds = (Date.now() - started) / 1000;
    process.stderr.write(seconds >= 1 ? ` ${seconds.toFixed(0)} s\n` : "\n");
    return result;
  } catch (error) {
    process.stderr.write(" failed\n");
    throw error;
  } finally {
    clearInterval(dots);
  }
}

/** Runs a program with its output kept back; where it fails the output is the error. */
function quietly(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, ...options, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
    child.on("error", (error) => reject(new SetupError(`${program} cannot be started: ${error.message}`)));
    child.on("close", (status) => {
      if (status === 0) resolve(output);
      else
        reject(
          new SetupError(
            `${output.trim()}\n\n\`${[program, ...args].join(" ")}\` failed with status ${status}.`,
          ),
        );
    });
  });
}

/** Installs the locked npm packages, and builds. A second run finds everything done. */
export async function prepareCheckout() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new SetupError(
      `weir is developed on Linux on x86-64; this is ${process.platform} on ${process.arch}.`,
    );
  }
  if (major < 20 || (major === 20 && minor < 11)) {
    throw new SetupError(`weir needs node 20.11 or later; this is ${process.version}.`);
  }
  const stamp = join(root, "node_modules/.weir-lockfile");
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "pnpm-lock.yaml")))
    .digest("hex");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
    await step("installing npm packages", () =>
      quietly("npx", ["--yes", PNPM, "install", "--frozen-lockfile"], {
        env: { ...process.env, CI: "true" },
      }),
    );
    writeFileSync(stamp, lock);
  }
  await step("building", async () => {
    await quietly(join(root, "node_modules/.bin/tsc"), ["-b"]);
    for (const [folder, name] of commandLines) {
      await quietly(process.execPath, ["scripts/bundle-command-line.mjs", folder, name]);
    }
    await quietly(process.execPath, ["packages/cni-plugin/scripts/bundle.mjs"]);
  });
}

/** Sees to it that Debian packages are there: installs the missing ones as root, else says how to. */
export async function requireDebianPackages(names) {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const command = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  const hasApt = spawnSync("apt-get", ["--version"]).status === 0;
  if (!hasApt || process.getuid() !== 0) {
    const why = hasApt ? "installing them needs root" : "there is no apt-get here to install them with";
    throw new SetupError(
      `These Debian packages are missing, and ${why}: ${missing.join(", ")}.\nOn Debian 12, as root: ${command}`,
    );
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await step(`installing Debian packages (${missing.join(", ")})`, async () => {
    // A machine that never ran `apt-get update` finds nothing, one that did may be out of date: update only when needed.
    const install = () =>
      quietly("apt-get", ["install", "-y", "--no-install-recommends", ...missing], { env });
    if (listsAreFresh()) {
      try {
        return await install();
      } catch {
        // The lists may name versions that the mirror no longer has.
      }
    }
    await quietly("apt-get", ["update"], { env });
    return install();
  });
}

/** What the kernel VM and the pods in it need. @param more Debian packages beside those */
export async function requireVmPackages(...more) {
  const { requiredPackages } = await import("../test/vm/dist/index.js");
  await requireDebianPackages([...new Set([...requiredPackages, ...podPackages, ...more])]);
}

function isInstalled(name) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholder
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f", "${Status}", name], { encoding: "utf8" });
  return stdout?.endsWith("install ok installed") ?? false;
}

function listsAreFresh() {
  const age = Date.now() - (statSync("/var/lib/apt/lists/partial", { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return age < 24 * 3600 * 1000;
}

/** What a step needs root for, as a sentence, unless this is root. */
export function requireRoot(why) {
  if (process.getuid() === 0) return;
  throw new SetupError(`${why} needs root: run the same command as root, or with sudo.`);
}

/** Runs a program with this terminal, and gives its exit status. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: "inherit", ...options });
    const forward = (signal) => child.kill(signal);
    process.on("SIGINT", forward);
    process.on("SIGTERM", forward);
    child.on("error", reject);
    child.on("close", (status, signal) => {
      process.off("SIGINT", forward);
      process.off("SIGTERM", forward);
      resolve(signal ? 1 : status);
    });
  });
}

/** A folder of the checkout, made where it is missing. */
export function folder(...names) {
  const path = join(root, ...names);
  mkdirSync(path, { recursive: true });
  return path;
}
