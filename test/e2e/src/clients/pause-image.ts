import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The name under which runtimes know the image. */
export const PAUSE_IMAGE = "weir.test/pause:1";

/**
 * Writes an image, as an OCI archive, whose only file is a program that waits for ever: what holds the namespaces of a
 * pod. https://github.com/opencontainers/image-spec, image-layout.md.
 */
export function writePauseImage(path: string): void {
  const folder = mkdtempSync(join(tmpdir(), "weir-pause-"));
  try {
    const [files, layout] = [join(folder, "files"), join(folder, "layout")];
    mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
    writePauseRootfs(files);
    const layer = pack(files, join(folder, "layer.tar"));
    const blob = (bytes: Uint8Array | string, mediaType: string) => {
      const hash = createHash("sha256").update(bytes).digest("hex");
      writeFileSync(join(layout, "blobs/sha256", hash), bytes);
      return { mediaType, digest: `sha256:${hash}`, size: Buffer.byteLength(bytes) };
    };
    const type = "application/vnd.oci.image";
    const layers = [blob(layer, `${type}.layer.v1.tar`)];
    const platform = { architecture: "amd64", os: "linux" };
    const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) };
    const config = blob(
      JSON.stringify({ ...platform, config: { Entrypoint: ["/pause"] }, rootfs }),
      `${type}.config.v1+json`,
    );
    const manifest = { schemaVersion: 2, mediaType: `${type}.manifest.v1+json`, config, layers };
    const described = blob(JSON.stringify(manifest), manifest.mediaType);
    const annotations = {
      "io.containerd.image.name": PAUSE_IMAGE,
      "org.opencontainers.image.ref.name": PAUSE_IMAGE,
    };
    writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(
      join(layout, "index.json"),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...described, platform, annotations }] }),
    );
    pack(layout, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Makes a folder with the image's content, for a client that takes a root filesystem instead. */
export function writePauseRootfs(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "pause"), pauseProgram());
  chmodSync(join(folder, "pause"), 0o755);
}

/** Packs a folder's content into a tar file that is the same whenever it is made, and gives it. */
function pack(folder: string, path: string): Buffer {
  const same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  const { status, stderr } = spawnSync("tar", ["-C", folder, ...same, "-cf", path, "."], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`could not pack ${folder}: ${stderr}`);
  return readFileSync(path);
}

/** pause(2) in a loop, as an ELF executable of one segment: static, and small enough to be written by hand. */
function pauseProgram(): Uint8Array {
  // mov $34, %eax (__NR_pause on x86-64); syscall; jmp to the start.
  const code = [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];
  const HEADERS = 64 + 56;
  const BASE = 0x400000n;
  const file = new Uint8Array(HEADERS + code.length);
  const view = new DataView(file.buffer);
  // Elf64_Ehdr: magic, 64 bit, little endian, version 1.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // e_type: ET_EXEC
  view.setUint16(18, 62, true); // e_machine: EM_X86_64
  view.setUint32(20, 1, true); // e_version
  view.setBigUint64(24, BASE + BigInt(HEADERS), true); // e_entry
  view.setBigUint64(32, 64n, true); // e_phoff
  view.setUint16(52, 64, true); // e_ehsize
  view.setUint16(54, 56, true); // e_phentsize
  view.setUint16(56, 1, true); // e_phnum
  // Elf64_Phdr: the whole file, readable and executable.
  view.setUint32(64, 1, true); // p_type: PT_LOAD
  view.setUint32(68, 5, true); // p_flags: PF_R | PF_X
  view.setBigUint64(80, BASE, true); // p_vaddr
  view.setBigUint64(96, BigInt(file.length), true); // p_filesz
  view.setBigUint64(104, BigInt(file.length), true); // p_memsz
  view.setBigUint64(112, 4096n, true); // p_align
  file.set(code, HEADERS);
  return file;
}
