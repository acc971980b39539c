import { createHash, randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CpioEntry, writeCpio } from "./cpio.js";
import { loadOrder, moduleName, parseModulesDep } from "./modules.js";
import { findProgram, run } from "./programs.js";

/** What the guest must load before its root, and with it modprobe, is there. */
const ROOT_MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

/** The busybox applets that guest/init and guest/session name. */
const APPLETS =
  "sh mount umount insmod mkdir cp switch_root poweroff sleep base64 ip ln hostname mkfifo cat setsid uname sync".split(
    " ",
  );

/** A day: no machine that boots an initramfs of this age is still at its boot. */
const OLD_MS = 24 * 3600 * 1000;

const guestFolder = fileURLToPath(new URL("../guest/", import.meta.url));

/**
 * Gives the initramfs for a kernel: busybox, the modules that mount the root (unpacked here, because unpacking in
 * an emulated guest is slow) and the guest's scripts. Built when there is none for exactly this content.
 *
 * @param folder where initramfs files are kept; made if missing
 * @param version the kernel's release, such as "6.1.0-50-amd64"
 * @param modules the kernel's folder of modules, as depmod left it
 * @returns the file's path, and whether it had to be built
 */
export async function prepareInitramfs(
  folder: string,
  version: string,
  modules: string,
): Promise<{ path: string; built: boolean }> {
  const busybox = realpathSync(findProgram("busybox"));
  const scripts = ["init", "session"].map((name) => ({ name, data: readFileSync(join(guestFolder, name)) }));
  const { size, mtimeMs } = statSync(busybox);
  const hash = createHash("sha256").update(
    JSON.stringify([version, modules, busybox, size, mtimeMs, APPLETS, ROOT_MODULES]),
  );
  for (const { data } of scripts) hash.update(data);
  const path = join(folder, `${version}-${hash.digest("hex").slice(0, 16)}.cpio`);
  if (existsSync(path)) return { path, built: false };

  const order = loadOrder(
    ROOT_MODULES,
    parseModulesDep(readFileSync(join(modules, "modules.dep"), "utf8")),
    readFileSync(join(modules, "modules.builtin"), "utf8").split("\n"),
  );
  const entries: CpioEntry[] = [
    ...["bin", "changes", "dev", "host", "modules", "proc", "root", "sys"].map((name) => ({
      path: name,
      mode: 0o755,
    })),
    { path: "bin/busybox", mode: 0o755, data: readFileSync(busybox) },
    ...APPLETS.map((name) => ({ path: `bin/${name}`, mode: 0o777, target: "busybox" })),
    ...scripts.map(({ name, data }) => ({ path: name, mode: 0o755, data })),
  ];
  for (const file of order) {
    entries.push({
      path: `modules/${moduleName(file)}.ko`,
      mode: 0o644,
      data: await unpacked(join(modules, file)),
    });
  }
  const list = order.map((file) => `${moduleName(file)}.ko\n`).join("");
  entries.push({ path: "modules/order", mode: 0o644, data: Buffer.from(list) });

  mkdirSync(folder, { recursive: true });
  // Two builders at once write the same bytes; the rename makes either's file appear whole.
  const unfinished = `${path}.${randomUUID()}`;
  writeFileSync(unfinished, writeCpio(entries));
  renameSync(unfinished, path);
  removeOld(folder, version);
  return { path, built: true };
}

/** Removes what earlier scripts or another busybox left for this kernel, unless another process may yet boot it. */
function removeOld(folder: string, version: string): void {
  for (const name of readdirSync(folder).filter((entry) => entry.startsWith(`${version}-`))) {
    const file = join(folder, name);
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > OLD_MS) rmSync(file, { force: true });
  }
}

/** A module's ELF file. Debian stores them plain (up to 6.1) or as .ko.xz; .ko.zst is what others use. */
async function unpacked(file: string): Promise<Uint8Array> {
  if (file.endsWith(".xz")) return (await run("xz", ["-dc", file])).stdout;
  if (file.endsWith(".zst")) return (await run("zstd", ["-dcq", file])).stdout;
  return readFileSync(file);
}
