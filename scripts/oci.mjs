// Container images without a container engine: OCI archives, https://github.com/opencontainers/image-spec.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

const MEDIA = "application/vnd.oci.image";

/**
 * Writes an image as an OCI archive (image-layout.md, in a tar file), which containerd, podman, skopeo and Docker from
 * 25 on import. The same folders give the same bytes.
 * @param path the archive
 * @param options.name the reference under which it is imported, such as "example.com/weir:0.1.0"
 * @param options.layers folders, the lowest layer first; all files in them become root's
 * @param options.config the `config` of the image's configuration (config.md): Entrypoint, Env, Labels and so on
 * @param options.epoch the time that everything bears, in seconds
 * @returns {string} the digest of the image's manifest
 */
export function writeOciArchive(path, { name, layers, config, epoch }) {
  const work = mkdtempSync(join(dirname(path), ".image-"));
  try {
    const layout = join(work, "layout");
    mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
    const blob = (bytes, mediaType) => {
      const digest = sha256(bytes);
      writeFileSync(join(layout, "blobs/sha256", digest), bytes);
      return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(bytes) };
    };
    const tars = layers.map((folder, index) => pack(folder, join(work, `layer-${index}.tar`), epoch));
    const platform = { architecture: "amd64", os: "linux" };
    const created = new Date(epoch * 1000).toISOString().replace(".000Z", "Z");
    const manifest = {
      schemaVersion: 2,
      mediaType: `${MEDIA}.manifest.v1+json`,
      config: blob(
        JSON.stringify({
          created,
          ...platform,
          config,
          rootfs: { type: "layers", diff_ids: tars.map((tar) => `sha256:${sha256(tar)}`) },
          history: tars.map(() => ({ created })),
        }),
        `${MEDIA}.config.v1+json`,
      ),
      layers: tars.map((tar) => blob(gzipSync(tar), `${MEDIA}.layer.v1.tar+gzip`)),
    };
    const described = blob(JSON.stringify(manifest), manifest.mediaType);
    const tag = name.slice(name.lastIndexOf(":") + 1);
    const annotations = { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag };
    writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(
      join(layout, "index.json"),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...described, platform, annotations }] }),
    );
    pack(layout, path, epoch);
    return described.digest;
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Packs a folder's content into a tar file that depends on nothing but content and modes, and gives it. */
function pack(folder, path, epoch) {
  const same = [
    "--format=gnu",
    "--sort=name",
    `--mtime=@${epoch}`,
    "--owner=0",
    "--group=0",
    "--numeric-owner",
  ];
  execFileSync("tar", ["-C", folder, ...same, "-cf", path, "."]);
  return readFileSync(path);
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}
