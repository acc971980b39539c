import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfCommand, bpf, cString, Fd, mountBpffs, Struct, unmount } from "@weir/syscall";
import { type MapView, mapId, type ProgramView, viewMap, viewProgram } from "./kernel-view.js";

/** What somebody made of an object, in the kernel's words. */
export interface Loaded {
  readonly programs: readonly ProgramView[];
  readonly maps: readonly MapView[];
}

/** Views of programs and maps that are open. */
export function viewAll(programs: readonly Fd[], maps: readonly Fd[]): Loaded {
  const views = maps.map((fd) => ({ id: mapId(fd), view: viewMap(fd) }));
  const names = new Map(views.map(({ id, view }) => [id, view.name]));
  // Long names are cut, so several may be the same.
  const order = (view: ProgramView | MapView) =>
    JSON.stringify([
      view.name,
      view.facts,
      "instructions" in view && view.instructions.map(({ text }) => text),
    ]);
  const byOrder = (a: ProgramView | MapView, b: ProgramView | MapView) => (order(a) < order(b) ? -1 : 1);
  return {
    programs: programs.map((fd) => viewProgram(fd, names)).sort(byOrder),
    maps: views.map(({ view }) => view).sort(byOrder),
  };
}

/**
 * Loads an object with libbpf, through `bpftool prog loadall`, and looks at what that gave.
 *
 * @param bpftool the command line that starts it
 * @returns what it loaded, or libbpf's complaints where it could not
 */
export function loadWithLibbpf(bpftool: readonly string[], object: Uint8Array): Loaded | string {
  using bpffs = temporaryBpffs();
  using file = new TemporaryFile(object);
  // Not the root, where the kernel puts iterators of its own.
  const folder = join(bpffs.path, "libbpf");
  mkdirSync(folder);
  // It pins maps by name in /sys/fs/bpf and nowhere else, so there is our folder for as long as it runs.
  const script = 'mount --bind "$1" /sys/fs/bpf && shift && exec "$@"';
  const load = ["prog", "loadall", file.path, "/sys/fs/bpf/programs", "pinmaps", "/sys/fs/bpf"];
  try {
    execFileSync("unshare", ["--mount", "sh", "-c", script, "sh", folder, ...bpftool, ...load], {
      stdio: ["ignore", "ignore", "pipe"],
    });
  } catch (error) {
    const { status, stderr } = error as { status: number | null; stderr: Buffer };
    if (status !== 255 && status !== 254) throw error;
    return stderr.toString();
  }
  using fds = new OpenPins();
  const pins = (parent: string) =>
    readdirSync(parent, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => fds.open(join(parent, entry.name)));
  const programs = join(folder, "programs");
  return viewAll(existsSync(programs) ? pins(programs) : [], pins(folder));
}

/** A BPF filesystem of its own, for as long as it is in use. */
export function temporaryBpffs(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "weir-objects-"));
  mountBpffs(path);
  return {
    path,
    [Symbol.dispose]() {
      unmount(path);
      rmdirSync(path);
    },
  };
}

class TemporaryFile implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "weir-object-"));
  readonly path = join(this.#folder, "object.o");

  constructor(content: Uint8Array) {
    writeFileSync(this.path, content);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

class OpenPins implements Disposable {
  readonly #open: Fd[] = [];

  open(path: string): Fd {
    const attr = new Struct(16).pointer(0, cString(path));
    const fd = Fd.adopt(bpf(BpfCommand.OBJ_GET, attr, `open ${path}`), path);
    this.#open.push(fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open) fd.close();
  }
}
