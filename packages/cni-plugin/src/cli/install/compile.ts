import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "./atomic-file.js";
import { makeCodeCache } from "./code-cache.js";
import { damagedFiles, hashOf, MANIFEST, type Manifest, readManifest } from "./manifest.js";

/** Whether a file is the code cache, which is the node's own once it is installed. */
export function isCodeCache(name: string): boolean {
  return name.endsWith(".cache");
}

/** Whether an installed folder's code is compiled for the Node.js that will run it, where it has code to compile. */
export function isCompiled(folder: string): boolean {
  const manifest = readManifest(folder);
  if (!manifest) return false;
  if (!pluginOf(manifest)) return true;
  return (
    manifest.compiledFor === versionOf(nodeOf(folder)) && !damagedFiles(folder, manifest).some(isCodeCache)
  );
}

/**
 * Makes an installed folder's code cache anew, on this node and for the Node.js that will run it: the build's is refused
 * by another version, and holds no more than the kernel could do that built it. The folder may be in use.
 * @returns why that could not be done, in which case the folder is as it was
 */
export function compile(folder: string): string | undefined {
  try {
    const manifest = readManifest(folder)!;
    const plugin = pluginOf(manifest)!;
    const cache = plugin.replace(/js$/, "cache");
    const node = nodeOf(folder);
    const { data, failure } = makeCodeCache(join(folder, plugin), node);
    if (failure !== undefined) return failure;
    const path = join(folder, cache);
    const before = readFileSync(path);
    replaceFile(path, data, { mode: 0o644 });
    try {
      const files = { ...manifest.files, [cache]: hashOf(path)! };
      const text = `${JSON.stringify({ ...manifest, files, compiledFor: versionOf(node) }, null, 2)}\n`;
      replaceFile(join(folder, MANIFEST), Buffer.from(text), { mode: 0o644 });
    } catch (error) {
      replaceFile(path, before, { mode: 0o644 });
      throw error;
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The plugin's file, which the standalone executable has inside. */
function pluginOf({ files }: Manifest): string | undefined {
  return Object.keys(files).find((name) => /^plugin-.*\.js$/.test(name));
}

/** The Node.js that came with weir, or the one that runs now: the launcher goes in that order too. */
function nodeOf(folder: string): string {
  const own = join(folder, "node");
  return existsSync(own) ? own : process.execPath;
}

function versionOf(node: string): string | undefined {
  if (node === process.execPath) return process.version;
  return spawnSync(node, ["--version"], { encoding: "utf8" }).stdout?.trim() || undefined;
}
