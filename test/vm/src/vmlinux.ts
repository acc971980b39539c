import { VmError } from "./errors.js";
import { ProgramError, run } from "./programs.js";

/** Where in a bzImage the compressed kernel lies, and how it is compressed. */
export interface Payload {
  readonly data: Uint8Array;
  readonly program: "xz" | "zstd";
}

const ELF_MAGIC = 0x464c457f;

/**
 * Takes the kernel itself, an ELF file, out of a bzImage. QEMU enters it directly (the PVH entry point, for which
 * Debian's kernels have CONFIG_PVH), which saves the guest from unpacking it, some seconds when emulated.
 *
 * @throws VmError BAD_KERNEL when the file is no bzImage.
 */
export async function extractVmlinux(image: Uint8Array): Promise<Uint8Array> {
  const { data, program } = findPayload(image);
  const { stdout } = await run(program, ["-dc"], { input: data }).catch((cause: unknown) => {
    if (!(cause instanceof ProgramError)) throw cause;
    throw new VmError("BAD_KERNEL", `the kernel image cannot be unpacked: ${cause.message}`, { cause });
  });
  if (stdout.length < 4 || stdout.readUInt32LE(0) !== ELF_MAGIC) {
    throw new VmError("BAD_KERNEL", "the kernel image does not hold an ELF file");
  }
  return stdout;
}

/**
 * Finds the compressed kernel in a bzImage by its boot header (Documentation/arch/x86/boot.rst, protocol 2.08).
 *
 * @throws VmError BAD_KERNEL when the file is no bzImage or is compressed in another way than Debian's.
 */
export function findPayload(image: Uint8Array): Payload {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const magic = "HdrS";
  if (image.length < 0x260 || magic !== Buffer.from(image.subarray(0x202, 0x206)).toString("latin1")) {
    throw new VmError("BAD_KERNEL", "the kernel image has no boot header");
  }
  if (view.getUint16(0x206, true) < 0x208) throw new VmError("BAD_KERNEL", "the boot header is too old");
  // 0 stands for 4 (setup_sects).
  const setupSectors = view.getUint8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + view.getUint32(0x248, true);
  // The last four bytes are the unpacked size, appended by the kernel's build.
  const end = start + view.getUint32(0x24c, true) - 4;
  if (end > image.length || end - start < 8) throw new VmError("BAD_KERNEL", "the kernel image is cut short");
  const data = image.subarray(start, end);
  const first = Buffer.from(data.subarray(0, 6)).toString("hex");
  if (first === "fd377a585a00") return { data, program: "xz" };
  if (first.startsWith("28b52ffd")) return { data, program: "zstd" };
  throw new VmError("BAD_KERNEL", `the kernel image is compressed in an unknown way (it begins ${first})`);
}
